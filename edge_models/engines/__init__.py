"""Engines: what runs an artifact. Importing this package loads neither numpy nor a runtime."""

from edge_models.engines.registry import available_runtimes, choose_artifact, device_files, open_engine

__all__ = ["available_runtimes", "choose_artifact", "device_files", "open_engine"]

"""Measurements. Each module here but `harness` has `run() -> Report` and is named by `python3 -m tests benchmarks`."""

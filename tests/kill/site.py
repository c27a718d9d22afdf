"""What the devices of all runs share: frames, bundles, and the registry as it was at each moment."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from deploy.registry import Registry
from edge_models.bundle import Bundle, file_entries, write_bundle
from edge_models.channel import Channel
from tests.factories.bundles import make_bundle
from tests.factories.frames import digit_frames, write_recording
from tests.kill.worker import DEADLY

MODEL_FILE = "digits-int8.tflite"
PADDING_BYTES = 150_000  # the web server sends 64 KiB at a time: a model comes in three pieces
VERSIONS = {"first": "1.0", "second": "2.0", "third": "3.0", "deadly": DEADLY}


class Site:
    """Bundles by name, published one after the other; ``public[NAME]`` is the registry that offers that one.

    Args:
        directory: Empty.
        padding_bytes: By which each bundle's model is larger, in bytes of its own.
    """

    def __init__(self, directory: Path, *, padding_bytes: int = PADDING_BYTES) -> None:
        self.recording = write_recording(directory / "frames.npz", *digit_frames(2000))
        self.bundles: dict[str, Bundle] = {}
        self.public: dict[str, Path] = {}
        registry = Registry.create(directory / "registry")
        self.root = registry.trusted_root
        for serial, (name, version) in enumerate(VERSIONS.items(), start=1):
            bundle = _padded(directory / name, padding_bytes, serial=serial, version=version)
            registry.publish(bundle.directory)
            listed = {bundle.id: serial, **{old.id: old.manifest.serial for old in self.bundles.values()}}
            channel = Channel(model="digits", channel="stable", rev=serial, bundle=bundle.id, listed=listed)
            registry.set_channel(channel)
            self.bundles[name] = bundle
            self.public[name] = Path(shutil.copytree(registry.public, directory / f"public-{name}", symlinks=True))


def _padded(directory: Path, padding_bytes: int, *, serial: int, version: str) -> Bundle:
    """A bundle whose model is its own file, of some size: what stands behind a flatbuffer is no part of it."""
    plain = make_bundle(directory.with_name(f"{directory.name}-plain"), serial=serial, version=version)
    files = {name: (plain.directory / name).read_bytes() for name in plain.manifest.files}
    files[MODEL_FILE] += random.Random(serial).randbytes(padding_bytes)
    fields = {field: getattr(plain.manifest, field) for field in plain.manifest.__dataclass_fields__}
    return write_bundle(directory, type(plain.manifest)(**{**fields, "files": file_entries(files)}), files)

"""Where the benchmark finds data, and where it keeps nets and bundles from run to run."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from converter.progress import Progress

ROOT = Path(__file__).parents[3]
CACHE = ROOT / ".driftline" / "benchmarks" / "converter"
VARIABLE = "DRIFTLINE_DATA"
MODELS_ZIP = "mlperf_tiny_models.zip"


class DataMissingError(Exception):
    """The folder of the real data is not there; set DRIFTLINE_DATA."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Folders of one run.

    Attributes:
        data: The real data, only read.
        cache: What is kept: nets by the digest of their recipe, unpacked models, bundles.
        progress: Told how far the work has come.
    """

    data: Path
    cache: Path
    progress: Progress

    @property
    def named(self) -> dict[str, str]:
        """Folders that may stand in recipes by their name."""
        return {VARIABLE: str(self.data)}

    def bundle(self, name: str) -> Path:
        """An empty place for a bundle: those of the last run are gone."""
        path = self.cache / "bundles" / name
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def net(self, name: str, digest: str) -> Path:
        """Where the trained net of a recipe is kept."""
        return self.cache / "nets" / f"{name}-{digest[:16]}.keras"

    def published(self, names: Sequence[str]) -> list[Path]:
        """Files of MLPerf Tiny, by their names without folders."""
        folder = self.cache / "published"
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(self.data / MODELS_ZIP) as archive:
            members = {Path(member).name: member for member in archive.namelist()}
            for name in names:
                if not (folder / name).exists():
                    (folder / name).write_bytes(archive.read(members[name]))
        return [folder / name for name in names]


def open_place(progress: Progress) -> Place:
    """The folders of this run.

    Raises:
        DataMissingError: There are no data.
    """
    data = Path(os.environ.get(VARIABLE) or ROOT.parent / "shared" / "data").absolute()
    if not (data / MODELS_ZIP).is_file():
        raise DataMissingError(f"{data}: found no {MODELS_ZIP}, expected the real data; set {VARIABLE} to their folder")
    return Place(data=data, cache=CACHE, progress=progress)


def now() -> str:
    """The time as a manifest has it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

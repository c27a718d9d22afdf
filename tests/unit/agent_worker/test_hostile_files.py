"""Files that no frame is in: each is a frame that no model takes, and the next one comes."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from agent.config import CsvSource, FolderSource
from agent.worker.errors import SourceError
from agent.worker.sources.arrivals import Arrivals
from agent.worker.sources.csv_rows import CsvRows
from edge_models.manifest import InputSpec
from edge_models.tensors import TensorSpec
from tests.unit.agent_worker.conftest import FakeClock

IMAGE = InputSpec(kind="image", source=TensorSpec(shape=(8, 8), dtype="uint8"))


def npy(header: str) -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr("x.npy", b"")
    return stream.getvalue()


def bomb() -> bytes:
    """A picture of 400 million pixels, in 60 bytes."""
    size = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", size), (b"IDAT", b""), (b"IEND", b""))
    )


HOSTILE = {
    "archive.npy": archive(),
    "no-archive.npy": b"PK\x03\x04 and nothing more",
    "no-python.npy": npy("{'descr': '<f4', 'shape': (("),
    "deep.npy": npy("(" * 100),
    "huge.npy": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1 << 62,)}"),
    "long.npy": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,)}"),
    "objects.npy": npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"),
    "bomb.png": bomb(),
    "torn.jpg": b"\xff\xd8\xff\xe0",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_file_without_a_frame_is_passed_over(name: str, tmp_path: Path, clock: FakeClock) -> None:
    if not name.endswith(".npy"):
        pytest.importorskip("PIL.Image", reason="Pillow is not installed; it is not part of the extra agent")
    source = Arrivals(FolderSource(path=str(tmp_path)), IMAGE, position=0, mark="", now_s=clock.monotonic_s)
    (tmp_path / name).write_bytes(HOSTILE[name])
    frames = []
    for _ in range(4):
        clock.now_s += 1.0
        frames.append(source.read())

    (frame,) = [frame for frame in frames if frame is not None]
    assert frame.x.shape == (0,)
    assert frame.x.dtype == np.uint8


def test_disk_that_fails_while_rows_are_passed_over_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(io.StringIO):
        def __next__(self) -> str:  # type: ignore[override] # typeshed has IOBase's
            if self.tell() > 0:
                raise OSError(5, "Input/output error")
            return super().__next__()

    path = tmp_path / "rows.csv"
    monkeypatch.setattr(Path, "open", lambda *_, **__: Failing("a,b\n1,1\n"))
    config = CsvSource(path=str(path))

    with pytest.raises(SourceError, match=r"row 0 cannot be read .*Input/output error"):
        CsvRows(
            path, columns=config.columns, label_column=None, labels=(), rate_hz=1.0, loop=True, position=1_000_000_000
        )

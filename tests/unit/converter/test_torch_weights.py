"""Tensors that PyTorch has saved, read without PyTorch."""

from __future__ import annotations

import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.keras_process.torch_weights import read_torch_weights

MAGIC = 0x1950A86A20F9469CFC6C


class Storage:
    """Stands for numbers that follow after the pickles."""

    def __init__(self, key: str, kind: type, numbers: NDArray[Any]) -> None:
        self.key, self.kind, self.numbers = key, kind, numbers


class Saver(pickle.Pickler):
    def persistent_id(self, value: object) -> tuple[Any, ...] | None:
        if isinstance(value, Storage):
            return ("storage", value.kind, value.key, "cpu", len(value.numbers), None)
        return None


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of PyTorch that such files hold, as empty things that can be pickled by name."""
    package, inner = ModuleType("torch"), ModuleType("torch._utils")

    def rebuild(*arguments: object) -> None:
        raise AssertionError(arguments)

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    names = {name: type(name, (), {"__module__": "torch"}) for name in ("FloatStorage", "LongStorage")}
    for name, kind in names.items():
        setattr(package, name, kind)
    inner._rebuild_tensor_v2 = rebuild  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", package)
    monkeypatch.setitem(sys.modules, "torch._utils", inner)
    return {**names, "rebuild": rebuild}


class View:
    """A tensor as the pickle describes it."""

    def __init__(self, rebuild: Any, *arguments: object) -> None:
        self.rebuild, self.arguments = rebuild, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.rebuild, (*self.arguments, False, OrderedDict())


def write(path: Path, value: object, storages: list[Storage], magic: int = MAGIC) -> Path:
    with path.open("wb") as stream:
        for head in (magic, 1001, {"little_endian": True}):
            pickle.dump(head, stream, protocol=2)
        Saver(stream, protocol=2).dump(value)
        pickle.dump([storage.key for storage in storages], stream, protocol=2)
        for storage in storages:
            stream.write(len(storage.numbers).to_bytes(8, "little") + storage.numbers.tobytes())
    return path


def test_tensors_are_views_of_storages(tmp_path: Path, torch: dict[str, Any]) -> None:
    floats = Storage("7", torch["FloatStorage"], np.arange(12, dtype=np.float32))
    counts = Storage("8", torch["LongStorage"], np.array([5], np.int64))
    tensors = OrderedDict(
        a=View(torch["rebuild"], floats, 0, (2, 3), (3, 1)),
        turned=View(torch["rebuild"], floats, 6, (3, 2), (1, 3)),
        count=View(torch["rebuild"], counts, 0, (), ()),
    )

    found = read_torch_weights(write(tmp_path / "w.pth", tensors, [floats, counts]))

    assert list(found) == ["a", "turned", "count"]
    assert found["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["turned"].tolist() == [[6, 9], [7, 10], [8, 11]]
    assert found["count"] == 5


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("bomb"),)


def test_what_a_file_wants_to_be_called_is_not_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "w.pth", OrderedDict(a=Bomb()), [])

    with pytest.raises(ValueError, match="in the file, expected tensors only"):
        read_torch_weights(path)

    assert not (tmp_path / "bomb").exists()


def test_other_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found another format, expected a state dict"):
        read_torch_weights(write(tmp_path / "w.pth", OrderedDict(), [], magic=5))

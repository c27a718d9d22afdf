"""Read tensors that PyTorch has saved (the format before 1.6), without PyTorch and without running what is in the file.

The file is a row of pickles and, after them, the numbers. A pickle can name any function to be called; this reader
knows the three that stand for tensors and refuses every other name.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C  # torch.serialization.MAGIC_NUMBER
_PROTOCOL = 1001
_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def read_torch_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays by name, of a state dict.

    Raises:
        ValueError: It is no such file, or holds something else than tensors.
    """
    with path.open("rb") as stream:
        if _Reader(stream).load() != _MAGIC or _Reader(stream).load() != _PROTOCOL:
            raise ValueError(f"{path}: found another format, expected a state dict that PyTorch before 1.6 has saved")
        _Reader(stream).load()  # sizes of C types
        reader = _Reader(stream)
        tensors = reader.load()
        storages = {key: _numbers(stream, reader.dtypes[key]) for key in _Reader(stream).load()}
    return {name: tensor.of(storages) for name, tensor in tensors.items()}


def _numbers(stream: IO[bytes], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The next storage: how many numbers, then the numbers."""
    count = int.from_bytes(stream.read(8), "little")
    return np.frombuffer(stream.read(count * dtype.itemsize), dtype, count)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tensor:
    """A view into a storage; strides are counted in numbers."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, storages: dict[str, NDArray[Any]]) -> NDArray[Any]:
        """The array."""
        flat = storages[self.storage][self.offset :]
        strides = [step * flat.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(flat, self.shape, strides, writeable=False).copy()


class _Reader(pickle.Unpickler):
    """Knows tensors, storages and ordered dicts; nothing that the file names is called."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream)
        self.dtypes: dict[str, np.dtype[Any]] = {}

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as pickle has it
        """What a name of the file stands for."""
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _tensor
            case "torch", "FloatStorage" | "LongStorage":
                return _DTYPES[name]
        raise ValueError(f"found {module}.{name} in the file, expected tensors only")

    def persistent_load(self, pid: Any) -> str:  # noqa: ANN401 - as pickle has it
        """Key of the storage that a tensor refers to: ('storage', dtype, key, device, count, view)."""
        _, dtype, key, *_ = pid
        self.dtypes[key] = dtype
        return str(key)


def _tensor(storage: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> _Tensor:
    return _Tensor(storage=storage, offset=offset, shape=shape, strides=strides)

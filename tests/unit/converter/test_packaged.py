"""The data sets inside other packages."""

from __future__ import annotations

import numpy as np
import pytest

from converter.datasets import packaged
from converter.datasets.load import load_dataset
from converter.errors import DatasetError
from converter.recipe.dataset import DatasetRecipe


@pytest.mark.parametrize(
    ("name", "shape", "highest", "sha256"),
    [("mnist5k", (5000, 28, 28), 255, "fbe695bfb905c8eb"), ("digits", (1797, 8, 8), 16, "1fa49054f5d5ba0b")],
)
def test_pictures_and_classes_are_the_known_ones(name: str, shape: tuple[int, ...], highest: int, sha256: str) -> None:
    data = load_dataset(DatasetRecipe(source=name))

    assert data.x.shape == shape
    assert data.x.dtype == np.uint8
    assert data.x.max() == highest
    assert data.labels == tuple("0123456789")
    assert data.sha256.startswith(sha256)


def test_missing_package_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = packaged._Packaged(package="no_such_package", distribution="no-such", file="x.csv.gz", shape=(8, 8))
    monkeypatch.setitem(packaged._SETS, "digits", gone)

    with pytest.raises(DatasetError, match=r"digits comes with no-such.*install the extra converter"):
        load_dataset(DatasetRecipe(source="digits"))

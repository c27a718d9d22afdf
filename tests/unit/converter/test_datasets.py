"""Data are refused with one clear line before anything is learnt from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.datasets.load import MAX_CLASSES, load_dataset, read_examples
from converter.errors import DatasetError
from converter.recipe.dataset import SOURCES, DatasetRecipe
from tests.unit.converter.recordings import rows, write_data

X, Y = rows(20)


def changed(values: Any, index: Any, value: Any) -> Any:
    """A copy with one value replaced."""
    copy = values.copy()
    copy[index] = value
    return copy


def test_arrays_come_as_they_were_saved_with_the_classes_numbered(tmp_path: Path) -> None:
    group = np.arange(20, dtype=np.uint8)
    path = write_data(tmp_path / "d.npz", x=X.astype(np.int8), y=Y.astype(np.uint8), group=group)

    data = load_dataset(DatasetRecipe(source=f"npz:{path}"))

    assert data.x.dtype == np.int8
    np.testing.assert_array_equal(data.x, X.astype(np.int8))
    assert data.y.dtype == np.int64
    assert data.labels == ("0", "1")
    assert data.group is not None
    assert data.group.dtype == np.int64
    assert data.group.tolist() == list(range(20))


def test_labels_name_the_classes(tmp_path: Path) -> None:
    path = write_data(tmp_path / "d.npz", x=X, y=Y)

    assert load_dataset(DatasetRecipe(source=f"npz:{path}", labels=("cat", "dog", "none"))).labels == (
        "cat",
        "dog",
        "none",
    )


def test_a_limit_keeps_as_many_examples_with_their_classes_and_groups(tmp_path: Path) -> None:
    path = write_data(tmp_path / "d.npz", x=np.arange(40).reshape(20, 2), y=Y, group=np.arange(20))

    data = load_dataset(DatasetRecipe(source=f"npz:{path}", limit=8), seed=3)

    assert data.group is not None
    assert len(data.x) == 8
    group = np.array([int(data.groups[index]) for index in data.group])
    np.testing.assert_array_equal(data.x[:, 0], group * 2)
    np.testing.assert_array_equal(data.y, group % 2)
    again = load_dataset(DatasetRecipe(source=f"npz:{path}", limit=8), seed=3)
    np.testing.assert_array_equal(data.x, again.x)


def test_a_limit_moves_no_example_of_the_test_part_into_training(tmp_path: Path) -> None:
    path = write_data(tmp_path / "d.npz", x=np.arange(80).reshape(40, 2), y=np.arange(40) % 2)

    data = load_dataset(DatasetRecipe(source=f"npz:{path}", limit=30, test_from=25))

    assert data.part is not None
    np.testing.assert_array_equal(data.part == 2, data.x[:, 0] >= 50)
    with pytest.raises(DatasetError, match=r"found 40 examples, expected more than dataset.test_from 40; lower it"):
        load_dataset(DatasetRecipe(source=f"npz:{path}", test_from=40))


def test_a_gap_in_the_numbers_of_classes_is_a_wrong_label_unless_they_are_named(tmp_path: Path) -> None:
    path = write_data(tmp_path / "d.npz", x=X, y=changed(Y, 4, 3))

    with pytest.raises(DatasetError, match=r"d.npz: found label 3 in example 4 and none of class 2, expected numbers"):
        load_dataset(DatasetRecipe(source=f"npz:{path}"))
    assert load_dataset(DatasetRecipe(source=f"npz:{path}", labels=tuple("abcd"))).labels == tuple("abcd")


def test_unlabelled_sound_of_another_rate_is_refused(tmp_path: Path) -> None:
    path = write_data(tmp_path / "d.npz", x=X.astype(np.float32), y=Y, rate_hz=np.array(8000.0))
    more = write_data(tmp_path / "u.npz", x=X.astype(np.float32), rate_hz=np.array(16000.0))

    with pytest.raises(DatasetError, match=r"u.npz: found 16000 samples in a second, expected 8000"):
        load_dataset(DatasetRecipe(source=f"npz:{path}", unlabelled=(f"npz:{more}",)))


def test_the_digest_tells_data_apart(tmp_path: Path) -> None:
    one = write_data(tmp_path / "one.npz", x=X, y=Y)
    same = write_data(tmp_path / "same.npz", x=X, y=Y)
    others = [
        write_data(tmp_path / "a.npz", x=changed(X, (0, 0), 9), y=Y),
        write_data(tmp_path / "b.npz", x=X, y=1 - Y),
        write_data(tmp_path / "c.npz", x=X, y=Y, group=Y),
    ]

    digest = load_dataset(DatasetRecipe(source=f"npz:{one}")).sha256

    assert load_dataset(DatasetRecipe(source=f"npz:{same}")).sha256 == digest
    assert len({digest, *(load_dataset(DatasetRecipe(source=f"npz:{path}")).sha256 for path in others)}) == 4


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": X}, "found arrays x, expected x (n, ...) numbers and y (n,) class indices"),
        ({"images": X, "labels": Y}, "found arrays images, labels, expected x (n, ...)"),
        ({}, "found arrays none, expected x (n, ...)"),
        ({"x": X[:0], "y": Y[:0]}, "found no examples in x (0, 3)"),
        ({"x": np.zeros((20, 0), np.float32), "y": Y}, "found no examples in x (20, 0)"),
        ({"x": X[:, 0], "y": Y}, "found x (20,) float32 and y (20,) int64, expected x (n, ...)"),
        ({"x": X, "y": Y[:-1]}, "found x (20, 3) float32 and y (19,) int64"),
        ({"x": X, "y": np.eye(2)[Y]}, "y (20, 2) float64, expected"),
        ({"x": X, "y": Y.astype(np.float32)}, "y (20,) float32, expected"),
        ({"x": X.reshape(20, 1, 1, 1, 1, 1, 1, 3), "y": Y}, "found x (20, 1, 1, 1, 1, 1, 1, 3)"),
        ({"x": X, "y": Y, "group": Y[:3]}, "found group (3,) int64, expected one integer for each example"),
        ({"x": X, "y": Y, "group": Y / 2}, "found group (20,) float64, expected one integer for each example"),
        ({"x": changed(X, (7, 1), np.nan), "y": Y}, "found NaN or infinity in example 7, expected finite numbers"),
        ({"x": changed(X, (3, 2), np.inf), "y": Y}, "found NaN or infinity in example 3, expected finite numbers"),
    ],
)
def test_wrong_arrays_are_one_clear_line(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    path = write_data(tmp_path / "d.npz", **arrays)

    for read in (lambda: load_dataset(DatasetRecipe(source=f"npz:{path}")), lambda: read_examples(path)):
        with pytest.raises(DatasetError) as caught:
            read()
        assert str(caught.value).startswith(f"{path}: ")
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("y", "labels", "said"),
    [
        (np.zeros(20, np.int64), (), "found examples of one class only, expected at least two classes"),
        (Y - 1, (), "found labels -1 to 0, expected 0 to 9999; number the classes from 0"),
        (Y * MAX_CLASSES, (), f"found labels 0 to {MAX_CLASSES}, expected 0 to {MAX_CLASSES - 1}"),
        (np.full(20, np.iinfo(np.uint64).max), (), "found labels -1 to -1"),
        (Y * 2, ("a", "b"), "found labels 0 to 2, expected 0 to 1"),
    ],
)
def test_wrong_classes_are_one_clear_line(tmp_path: Path, y: Any, labels: tuple[str, ...], said: str) -> None:
    path = write_data(tmp_path / "d.npz", x=X, y=y)

    with pytest.raises(DatasetError) as caught:
        load_dataset(DatasetRecipe(source=f"npz:{path}", labels=labels))

    assert said in str(caught.value)


def test_files_that_are_no_data_are_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("x,y\n1,2\n")
    np.savez(tmp_path / "objects.npz", x=np.array([{}, []], object), y=np.arange(2))
    np.savez(tmp_path / "names.npz", x=X, y=np.array(["cat", "dog"] * 10))
    whole = write_data(tmp_path / "d.npz", x=X, y=Y).read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "folder.npz").mkdir()

    for name in ("text", "objects", "names", "half", "folder", "missing"):
        with pytest.raises(DatasetError) as caught:
            load_dataset(DatasetRecipe(source=f"npz:{tmp_path}/{name}.npz"))
        said = str(caught.value)
        assert said.startswith(f"{tmp_path}/{name}.npz: ")
        assert said.endswith("expected x (n, ...) numbers and y (n,) class indices")
        assert "\n" not in said


@pytest.mark.parametrize("source", ["cifar10", "npz:", "npz", "csv", "tfrecord:data", ""])
def test_an_unknown_source_is_named_with_the_known_ones(source: str) -> None:
    with pytest.raises(DatasetError, match=rf"dataset\.source: found .*, expected {SOURCES}"):
        load_dataset(DatasetRecipe(source=source))

"""Pictures in folders become examples, or one clear line that names the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from converter.datasets import Dataset, images, load_dataset
from converter.errors import DatasetError
from converter.recipe.dataset import DatasetRecipe
from tests.unit.converter.folders import archive, folder, picture

GREY = np.arange(48).reshape(6, 8)
COLOUR = np.arange(144).reshape(6, 8, 3)


def loaded(place: Path, **keys: object) -> Dataset:
    return load_dataset(DatasetRecipe(source=f"images:{place}", **keys))  # type: ignore[arg-type]


def refused(place: Path, **keys: object) -> str:
    with pytest.raises(DatasetError) as caught:
        loaded(place, **keys)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


def two_classes(second_dog: bytes | None = None) -> dict[str, bytes]:
    """A picture of each class, and one more of a dog."""
    files = {"cat/1.png": picture(GREY), "dog/1.png": picture(GREY + 1)}
    return files if second_dog is None else files | {"dog/2.png": second_dog}


def test_folders_are_classes_and_pictures_are_pixels(tmp_path: Path) -> None:
    data = loaded(folder(tmp_path, two_classes(picture(GREY + 2))))

    assert data.x.dtype == np.uint8
    np.testing.assert_array_equal(data.x, np.stack([GREY, GREY + 1, GREY + 2]))
    assert data.labels == ("cat", "dog")
    assert data.y.tolist() == [0, 1, 1]
    assert data.names == ("cat/1.png", "dog/1.png", "dog/2.png")
    assert data.group is None


def test_an_archive_is_the_folder_and_a_place_in_it_too(tmp_path: Path) -> None:
    files = two_classes() | {"__MACOSX/cat/1.png": b"junk", "README.md": b"no picture"}
    inside = {f"deep/pictures/{name}": data for name, data in files.items()}

    direct = loaded(archive(tmp_path / "a.zip", files))
    below = loaded(archive(tmp_path / "b.zip", inside) / "deep" / "pictures")

    np.testing.assert_array_equal(direct.x, below.x)
    assert direct.names == below.names == ("cat/1.png", "dog/1.png")


@pytest.mark.parametrize("form", ["PNG", "BMP", "JPEG"])
def test_coloured_pictures_have_three_channels_and_grey_ones_among_them_too(tmp_path: Path, form: str) -> None:
    files = {f"a/1.{form.lower()}": picture(COLOUR, form), "b/1.png": picture(GREY)}

    data = loaded(folder(tmp_path, files))

    assert data.x.shape == (2, 6, 8, 3)
    assert np.abs(data.x[0].astype(int) - COLOUR).mean() < 4  # JPEG is lossy
    np.testing.assert_array_equal(data.x[1], np.repeat(GREY[..., None], 3, axis=2))


def test_a_pattern_says_class_group_and_part(tmp_path: Path) -> None:
    names = ["train/site1/cat_1", "train/site2/dog_1", "test/site3/cat_1", "test/site3/dog_1", "extra/x"]
    files = {f"{name}.png": picture(GREY) for name in names}

    data = loaded(folder(tmp_path, files), pattern=r"^(?P<part>train|test)/(?P<group>\w+)/(?P<label>[a-z]+)_")

    assert data.labels == ("cat", "dog")
    assert data.groups == ("site1", "site2", "site3")
    assert data.part is not None
    assert data.part.tolist() == [2, 2, 0, 0]
    assert data.names[0] == "test/site3/cat_1.png"


def test_mixed_sizes_are_refused_with_two_names_and_resized_on_request(tmp_path: Path) -> None:
    place = folder(tmp_path, two_classes(picture(COLOUR[:3])))

    said = refused(place)

    assert "cat/1.png of 6 x 8 and dog/2.png of 3 x 8 pixels, expected one size" in said
    assert "dataset.size" in said
    assert loaded(place, size=(4, 5)).x.shape == (3, 4, 5, 3)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, ": found no files, expected pictures (.bmp .jpeg .jpg .png)"),
        ({"notes.txt": b"x"}, ": found 1 other files, expected pictures"),
        ({"cat/1.png": picture(GREY), "dog/notes.txt": b"x"}, "/dog: found a class folder without pictures"),
        ({"cat/1.png": picture(GREY), "dog/": b""}, "/dog: found a class folder without pictures"),
        ({"cat/1.png": picture(GREY), "dog/1.png": b"x"}, "/dog/1.png: cannot be decoded (no picture), expected a PNG"),
        ({"cat/1.png": picture(GREY), "dog/1.png": b""}, "/dog/1.png: cannot be decoded (no picture)"),
        ({"cat/1.png": picture(GREY), "dog/1.png": picture(GREY)[:-30]}, "/dog/1.png: cannot be decoded ("),
        ({"cat/1.png": picture(GREY), "cat/2.png": picture(GREY)}, "found examples of one class only"),
        (
            {"cat/1.png": picture(GREY), "1.png": picture(GREY)},
            "/1.png: found no class for it, expected it in a folder",
        ),
    ],
)
def test_wrong_folders_are_one_clear_line(tmp_path: Path, files: Mapping[str, bytes], said: str) -> None:
    assert said in refused(folder(tmp_path, files))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"pattern": "(?P<label>bird)"}, "found no name that dataset.pattern '(?P<label>bird)' matches"),
        ({"pattern": r"(?P<part>\w+)/"}, "cat/1.png: found part 'cat' by dataset.pattern, expected one of train"),
        ({"pattern": r"(?P<label>\w+)/(?P<group>2)?"}, "/cat/1.png: found no group for it by dataset.pattern, but one"),
        ({"labels": ("cat", "wolf")}, "found class 'dog', expected one of dataset.labels: cat, wolf"),
        ({"labels": ("cat", "dog", "wolf")}, "found no examples of class 'wolf' of dataset.labels, expected some"),
    ],
)
def test_wrong_keys_are_one_clear_line(tmp_path: Path, keys: dict[str, object], said: str) -> None:
    place = folder(tmp_path, two_classes(picture(GREY)))

    assert said in refused(place, **keys)


def test_a_missing_place_and_a_damaged_archive_are_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(archive(tmp_path / "whole.zip", two_classes()).read_bytes()[:-40])

    assert refused(tmp_path / "nowhere").startswith(f"{tmp_path}/nowhere: no such file or folder")
    assert refused(broken).startswith(f"{broken}: found a damaged archive")
    assert "found no file of that name in the archive" in refused(tmp_path / "whole.zip" / "nowhere")


def test_labels_give_the_order_of_the_classes(tmp_path: Path) -> None:
    data = loaded(folder(tmp_path, two_classes()), labels=("dog", "cat"))

    assert (data.labels, data.y.tolist()) == (("dog", "cat"), [1, 0])


def test_unlabelled_pictures_need_no_class(tmp_path: Path) -> None:
    place = folder(tmp_path / "d", two_classes())
    more = folder(tmp_path / "more", {"1.png": picture(GREY), "x/y/2.png": picture(GREY)})

    data = loaded(place, unlabelled=(f"images:{more}",))

    assert [examples.x.shape for examples in data.unlabelled] == [(2, 6, 8)]
    other = folder(tmp_path / "other", {"1.png": picture(COLOUR)})
    assert "found unlabelled examples uint8[6, 8, 3], expected uint8[6, 8]" in refused(
        place, unlabelled=(f"images:{other}",)
    )


def test_what_systems_leave_behind_is_no_class_and_pictures_have_no_blocks(tmp_path: Path) -> None:
    one = picture(np.zeros((4, 4)))
    place = folder(tmp_path, {"a/1.png": one, "b/1.png": one, "__MACOSX/._a": b"x"})

    assert loaded(place).labels == ("a", "b")
    with pytest.raises(DatasetError, match=r"found dataset.blocks, expected recordings of rows"):
        loaded(place, blocks=4)


def test_pictures_that_fill_the_memory_are_refused_after_the_first_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MAX_PIXEL_BYTES", 100)
    place = folder(tmp_path, {f"{name}/1.png": picture(GREY) for name in "abc"})

    assert "found 3 pictures of 6 x 8 pixels, together more than" in refused(place)
    assert loaded(place, size=(2, 2)).x.shape == (3, 2, 2)

"""Which held-out examples show what is normal, and under which condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.corruptions import Corruption
from converter.errors import DatasetError
from converter.evidence.lookalike import Lookalike
from converter.packaging import Reference
from converter.pipeline.order import BuildOrder
from converter.pipeline.reference import check_conditions, in_words, reference
from converter.preparation import prepare
from converter.recipe import CnnRecipe, DatasetRecipe, MlpRecipe, ProfileRecipe, Recipe
from converter.recipe.dataset import InputRecipe
from tests.unit.converter.folders import folder, picture
from tests.unit.converter.glyphs import glyphs

COUNT = 1200
DIM = Lookalike(corruption=Corruption(white=0.4), distance=0.2)
DARK = Lookalike(corruption=Corruption(white=0.2), distance=0.3)


def recipe(place: str, groups: str | Mapping[str, tuple[str, ...]] | None = None, **keys: object) -> Recipe:
    return Recipe(
        name="glyphs",
        model="glyphs",
        dataset=DatasetRecipe(source=place, test=0.3, profile=0.3, **keys),  # type: ignore[arg-type]
        network=CnnRecipe(),
        profile=ProfileRecipe(groups=groups if groups is None or isinstance(groups, str) else dict(groups)),
    )


def rows(place: str, groups: str | Mapping[str, tuple[str, ...]] | None, **keys: object) -> Recipe:
    return replace(recipe(place, groups, **keys), input=InputRecipe(kind="rows"), network=MlpRecipe())


def arrays(folder: Path, count: int = COUNT, **more: NDArray[np.int64]) -> str:
    images, labels = glyphs(count, 1)
    frames = (images[..., 0] * 255).astype(np.uint8)
    np.savez(folder / "d.npz", x=frames, y=labels, **more)  # type: ignore[arg-type]
    return f"npz:{folder / 'd.npz'}"


def table(folder: Path, count: int = COUNT) -> str:
    lines = [f"{i % 7},{i % 11},{('day', 'night')[i % 2]},site-{i % 30},{i % 3}" for i in range(count)]
    (folder / "d.csv").write_text("\n".join(["a,b,light,site,kind", *lines]))
    return f"csv:{folder / 'd.csv'}"


def made(recipe: Recipe, *lookalikes: Lookalike) -> Reference:
    order = BuildOrder(recipe=recipe, output=Path("out"), created="2026-01-01T00:00:00Z")
    return reference(order, prepare(recipe), lookalikes)


def sizes(found: Reference) -> dict[str, int]:
    return {name: int(members.sum()) for name, members in found.groups.items()}


def test_without_conditions_all_held_out_examples_are_one_reference(tmp_path: Path) -> None:
    found = made(recipe(arrays(tmp_path)))

    assert found.groups == {}
    assert in_words(found) is None
    assert len(found.inputs) == len(found.y) == pytest.approx(COUNT * 0.6, abs=20)


def test_an_array_of_integers_tells_the_condition(tmp_path: Path) -> None:
    season = np.arange(COUNT) % 2

    found = made(recipe(arrays(tmp_path, season=season), "season"))

    assert list(found.groups) == ["season-0", "season-1"]
    assert sum(sizes(found).values()) == len(found.y)


def test_a_column_tells_the_condition_and_is_no_input(tmp_path: Path) -> None:
    source = table(tmp_path)

    found = made(rows(source, "light", label_column="kind"))

    assert list(found.groups) == ["day", "night"]
    assert found.inputs.shape[1:] == (2,)  # a and b; site is no number


def test_groups_are_gathered_into_conditions_and_the_rest_is_the_reference(tmp_path: Path) -> None:
    night = tuple(f"site-{i}" for i in range(15))

    found = made(rows(table(tmp_path), {"night": night}, label_column="kind", group_column="site"))

    assert list(found.groups) == ["night"]
    rest = len(found.y) - sizes(found)["night"]
    assert in_words(found) == f"profile: conditions night ({sizes(found)['night']}), reference ({rest})"
    assert 200 <= sizes(found)["night"] <= len(found.y) - 200


def test_the_path_of_a_file_tells_the_condition(tmp_path: Path) -> None:
    images, labels = glyphs(30, 1)
    folder(
        tmp_path,
        {
            f"{('day', 'night')[number % 2]}/{label}/{number}.png": picture(image[..., 0] * 255)
            for number, (image, label) in enumerate(zip(images, labels, strict=True))
        },
    )
    pattern = r"^(?P<context>\w+)/(?P<label>\d)/"

    prepared = prepare(recipe(f"images:{tmp_path}", "context", pattern=pattern))

    assert prepared.data.contexts == ("day", "night")
    assert prepared.data.context is not None
    told = [prepared.data.contexts[number] for number in prepared.data.context]
    assert told == [name.partition("/")[0] for name in prepared.data.names]


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ("season", "expected at least 200; bring more, raise dataset.profile or dataset.test"),
        ("many", "expected at most 4 conditions, not 6"),
        ("hour", "expected hour of profile.groups among them"),
        ({"day": ("3",)}, "expected profile.groups day '3' among them"),
    ],
    ids=["too few examples", "too many conditions", "no such array", "no such group"],
)
def test_conditions_that_cannot_be_measured_are_refused_in_one_line(
    tmp_path: Path, groups: str | dict[str, tuple[str, ...]], said: str
) -> None:
    season, many = (np.arange(COUNT) % 50 == 0).astype(np.int64), np.arange(COUNT) % 6
    asked = recipe(arrays(tmp_path, season=season, many=many), groups)

    with pytest.raises(DatasetError) as caught:
        check_conditions(asked, prepare(asked))

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_data_that_cannot_tell_conditions_are_refused() -> None:
    asked = recipe("digits", "light")

    with pytest.raises(DatasetError, match="expected data that tell conditions"):
        check_conditions(asked, prepare(asked))


def test_a_retraining_adds_held_out_pictures_as_each_device_takes_them(tmp_path: Path) -> None:
    asked = recipe(arrays(tmp_path))
    plain = made(asked)

    found = made(asked, DIM, DARK)

    held = len(plain.y)
    assert sizes(found) == {"device": held, "device-2": held}
    assert np.array_equal(found.inputs[:held], plain.inputs)
    brightest = [float(found.inputs[members].max()) for members in found.groups.values()]
    assert plain.inputs.max() > brightest[0] > brightest[1]
    assert (np.sum(list(found.groups.values()), axis=0)[:held] == 0).all()


def test_all_pictures_of_a_device_are_taken_with_the_setting_that_was_found(tmp_path: Path) -> None:
    found = made(recipe(arrays(tmp_path)), DIM)

    members = found.groups["device"]
    dimmed, original = found.inputs[members], found.inputs[~members]
    assert float(dimmed.max()) == pytest.approx(0.4 * float(original.max()), abs=1.0)


def test_devices_that_are_alike_share_a_condition_and_no_more_are_added_than_fit(tmp_path: Path) -> None:
    season = np.arange(COUNT) % 3
    asked = recipe(arrays(tmp_path, season=season), "season")

    found = made(asked, DIM, replace(DIM, distance=0.25), DARK)

    assert list(found.groups) == ["season-0", "season-1", "season-2", "device"]


def test_a_lookalike_that_is_far_from_the_evidence_shows_nothing_normal(tmp_path: Path) -> None:
    assert made(recipe(arrays(tmp_path)), replace(DIM, distance=0.6)).groups == {}


def test_the_picture_of_a_device_is_the_same_in_every_build(tmp_path: Path) -> None:
    asked = recipe(arrays(tmp_path))

    assert np.array_equal(made(asked, DIM).inputs, made(asked, DIM).inputs)

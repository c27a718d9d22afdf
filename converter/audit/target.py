"""What an audit looks at: a recipe, or bare data for which the smallest recipe is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from converter.datasets.audio import SUFFIXES as WAV_SUFFIXES
from converter.datasets.images import SUFFIXES as IMAGE_SUFFIXES
from converter.datasets.packaged import NAMES
from converter.datasets.tree import open_tree
from converter.errors import DatasetError
from converter.recipe import Recipe, load_recipe, shipped
from converter.recipe.document import recipe_of
from converter.recipe.paths import Places

KINDS = ("npz", "images", "wav", "csv", "signals")
_OF_SUFFIX = {
    **dict.fromkeys(IMAGE_SUFFIXES, "images"),
    **dict.fromkeys(WAV_SUFFIXES, "wav"),
    **dict.fromkeys((".csv", ".tsv"), "csv"),
}
_INPUT = {"images": "image", "wav": "audio", "csv": "rows", "signals": "rows"}
_IMAGE_AXES = (2, 3)
_SMALLEST_SIDE = 4  # of a picture: rows of windows may be as narrow as a sensor has columns


def audited_recipe(data: str, recipe: str | None, overrides: Sequence[str], places: Mapping[str, str]) -> Recipe:
    """The recipe whose data are audited.

    Args:
        data: A recipe or its name, a source such as ``images:PATH``, or the path of data.
        recipe: Recipe to read the data with; None for the one that ``data`` is, or the smallest.
        overrides: ``KEY=VALUE`` for the recipe.
        places: Folders that may stand in paths by their name.

    Raises:
        RecipeError: The recipe is wrong.
        DatasetError: There are no such data.
    """
    is_recipe = data.endswith((".yaml", ".yml")) or (data in shipped() and not Path(data).exists())
    if is_recipe and recipe is None:
        return load_recipe(data, overrides, places)
    source = source_of(data)
    if recipe is not None:
        return load_recipe(recipe, [*overrides, f"dataset.source={_quoted(source)}"], places)
    kind = _INPUT.get(source.partition(":")[0]) or _kind_of(source)
    document: dict[str, Any] = {
        "name": "audit",
        "model": "audit",
        "dataset": {"source": source},
        "input": {"kind": kind},
        "network": {"type": "mlp"},
    }
    return recipe_of(document, overrides, Places(folder=Path.cwd(), named=places, label="audit"))


def source_of(data: str) -> str:
    """The source of bare data, by what its files are.

    Raises:
        DatasetError: Nothing is there, or nothing that a source reads.
    """
    kind, colon, path = data.partition(":")
    if data in NAMES or (colon and kind in KINDS):
        return data if data in NAMES else f"{kind}:{Path(path).expanduser().absolute()}"
    place = Path(data).expanduser().absolute()
    if place.suffix == ".npz":
        return f"npz:{place}"
    with open_tree(place) as tree:
        counted = Counter(_OF_SUFFIX.get(PurePosixPath(name).suffix.lower()) for name in tree.names)
    counted.pop(None, None)
    if not counted:
        raise DatasetError(
            f"{data}: found no pictures, WAV files or tables, expected data or a recipe ({', '.join(shipped())})"
        )
    return f"{counted.most_common(1)[0][0]}:{place}"


def _kind_of(source: str) -> str:
    """What the numbers of arrays are, by their shape: an npz file does not say it."""
    from converter.datasets.load import read_source
    from converter.recipe.dataset import DatasetRecipe

    examples = read_source(DatasetRecipe(source=source), source)
    shape = examples.x.shape[1:]
    if examples.rate_hz is not None:
        return "audio"
    is_picture = len(shape) in _IMAGE_AXES and examples.x.dtype.kind in "iu" and min(shape[:2]) >= _SMALLEST_SIDE
    return "image" if is_picture else "rows"


def _quoted(text: str) -> str:
    """A text as YAML, whatever stands in it."""
    return "'" + text.replace("'", "''") + "'"

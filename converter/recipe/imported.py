"""The recipe of a model that was trained elsewhere: its data described in a few words, nothing to be trained."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from converter.errors import DatasetError
from converter.recipe.document import Recipe, read_document, recipe_of, shipped
from converter.recipe.paths import Places

_KINDS = ("npz", "images", "wav", "csv", "signals")
_RECIPES = (".yaml", ".yml")
_OF_SUFFIX = {".png": "images", ".jpg": "images", ".jpeg": "images", ".bmp": "images", ".wav": "wav", ".csv": "csv"}
_TRAINING_ONLY = ("pretrain", "search", "augment", "label_curve", "retrain")
_SHARES = {"test": 0.5, "profile": 0.3}  # nothing is learnt, so a fifth is enough for the ranges
_PACKAGED = ("mnist5k", "digits")


def model_recipe(
    model: Path,
    data: str,
    labels: Sequence[str],
    overrides: Sequence[str],
    places: Mapping[str, str],
    settings: Mapping[str, Any],
) -> Recipe:
    """A recipe that takes a model as it is.

    Args:
        model: The file or folder.
        data: A recipe that describes the data, an npz, a folder or zip of pictures, WAV or CSV files, or a source as a
            recipe names it.
        labels: Names of the classes; the data's own when empty.
        overrides: ``KEY=VALUE`` for keys of the recipe.
        places: Folders that may stand in paths by name.
        settings: More keys at the top, such as model and version; those that are None are left alone.

    Raises:
        RecipeError: An override is wrong.
        DatasetError: It is not clear what the data are.
    """
    document: dict[str, Any]
    if data in shipped() or Path(data).suffix in _RECIPES:
        label, document, folder = read_document(data)
    else:
        label, document, folder = data, {"dataset": {"source": source_of(data), **_SHARES}}, Path.cwd()
    for key in _TRAINING_ONLY:
        document.pop(key, None)
    document |= {"name": model.name[:64], "model": slot_of(model)}
    document |= {"network": {"type": "saved", "path": str(model.absolute())}}
    document |= {key: value for key, value in settings.items() if value is not None}
    document["training"] = {**(document.get("training") or {}), "epochs": 0, "patience": None, "folds": None}
    dataset = document["dataset"] = dict(document.get("dataset") or {})
    if labels:
        dataset["labels"] = list(labels)
    if document.get("task") == "anomaly":
        dataset.setdefault("normal", [labels[0] if labels else "0"])
    return recipe_of(document, overrides, Places(folder=folder, named=places, label=label))


def source_of(data: str) -> str:
    """What a recipe calls these data.

    Raises:
        DatasetError: There is no such place, or it holds nothing that is known.
    """
    kind, colon, _ = data.partition(":")
    if data in _PACKAGED or (colon and kind in _KINDS):
        return data
    path = Path(data)
    if path.suffix == ".npz":
        return f"npz:{data}"
    if path.suffix.lower() == ".csv":
        return f"csv:{data}"
    found = next((_OF_SUFFIX[suffix] for suffix in _suffixes(path) if suffix in _OF_SUFFIX), None)
    if found is None:
        raise DatasetError(
            f"{data}: found no data there, expected an npz, a CSV, a folder or zip of pictures, WAV or CSV files, "
            f"a recipe, or one of {', '.join(_KINDS)} followed by :PATH"
        )
    return f"{found}:{data}"


def _suffixes(path: Path) -> Iterable[str]:
    """Suffixes of the files of a folder or archive, or of a folder inside of one."""
    from converter.datasets.tree import open_tree  # here: data sets know recipes

    with open_tree(path) as tree:
        return {PurePosixPath(name).suffix.lower(): None for name in tree.names}


def slot_of(model: Path) -> str:
    """A name for the model slot from a file's name.

    Examples:
        >>> slot_of(Path("models/KWS_ref_model.tflite"))
        'kws-ref-model'
    """
    return re.sub(r"[^a-z0-9]+", "-", model.stem.lower()).strip("-")[:40].rstrip("-") or "model"

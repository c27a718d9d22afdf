"""``evaluate``: measure every artifact of a bundle on labelled frames, as a device would see them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from converter.errors import EXIT_OK, DatasetError
from edge_models.bundle import open_bundle

if TYPE_CHECKING:
    from converter.evaluate import Evaluated


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of the bundle")
    parser.add_argument(
        "data",
        type=Path,
        metavar="DATA.npz",
        help="x (n, ...) as the source delivers it, y (n,); perhaps group (n,), and rate_hz of sound",
    )
    parser.add_argument("--artifact", metavar="NAME", help="only this artifact")
    parser.add_argument(
        "--json",
        action="store_true",
        help='print {"n","artifacts":{NAME:{"accuracy" or "auc","low","high"}},"groups":{NAME:{GROUP:...}}}',
    )


def run(args: argparse.Namespace) -> int:
    """Print the metric of each artifact with its interval, and by group where the data have groups."""
    import numpy as np

    from converter.datasets.arrays import load_arrays
    from converter.evaluate import at_the_models_rate, evaluate, examples_of

    bundle = open_bundle(args.bundle)
    spec = bundle.manifest.input
    names = list(bundle.manifest.artifacts) if args.artifact is None else [args.artifact]
    data = load_arrays(args.data)
    if data.label is None:
        raise DatasetError(f"{args.data}: found no array y, expected the class of each example")
    try:
        x, said = at_the_models_rate(spec, data.x, data.rate_hz)
        inputs, y, group = examples_of(spec, x, data.label, data.group)
        found: dict[str, dict[str, Evaluated]] = {}
        for name in names:
            of = evaluate(bundle, name, inputs, y)
            parts = {} if group is None else {str(number): group == number for number in np.unique(group).tolist()}
            found[name] = {"": of(np.ones(len(y), np.bool_)), **{key: of(chosen) for key, chosen in parts.items()}}
    except DatasetError as exc:
        raise DatasetError(f"{args.data}: {exc}") from exc
    sys.stdout.write(_as_json(found, said) if args.json else _in_words(found, said))
    return EXIT_OK


def _as_json(found: dict[str, dict[str, Evaluated]], said: str | None) -> str:
    document: dict[str, object] = {
        "n": next(iter(found.values()))[""].n,
        "artifacts": {name: _figures(parts[""]) for name, parts in found.items()},
    }
    groups = {
        name: {key: {"n": part.n, **_figures(part)} for key, part in parts.items() if key}
        for name, parts in found.items()
    }
    if any(groups.values()):
        document["groups"] = groups
    if said is not None:
        document["data"] = said
    return json.dumps(document) + "\n"


def _figures(part: Evaluated) -> dict[str, float | None]:
    """The metric under its name; AUC stands beside the accuracy at the threshold."""
    figures: dict[str, float | None] = {}
    if part.accuracy is not None:
        figures["accuracy"] = part.accuracy.value
    if part.auc is not None:
        figures["auc"] = part.auc.value
    main = part.auc or part.accuracy
    if main is not None:
        figures |= {"low": main.low, "high": main.high}
    return figures


def _in_words(found: dict[str, dict[str, Evaluated]], said: str | None) -> str:
    lines = [] if said is None else [f"data: {said}"]
    for name, parts in found.items():
        lines += [f"  group {key}: {_told(part)}" if key else f"{name}: {_told(part)}" for key, part in parts.items()]
    return "\n".join(lines) + "\n"


def _told(part: Evaluated) -> str:
    told = []
    if part.auc is not None:
        told.append(f"AUC {part.auc.value:.4f} ({part.auc.low:.4f} to {part.auc.high:.4f})")
    if part.accuracy is not None:
        at = " at the threshold" if part.auc is not None else ""
        told.append(f"accuracy {part.accuracy.value:.4f} ({part.accuracy.low:.4f} to {part.accuracy.high:.4f}){at}")
    return f"{', '.join(told) or 'nothing to tell'} on {part.n} examples"

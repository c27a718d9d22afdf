"""Which files of a registry devices may have: the names that a registry writes, and nothing else below the same folder.

Keys lie outside of it and have no name here, a link under a served name leads nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edge_models.manifest import MODEL_NAME, SHA256

_NAMES = re.compile(
    r"metadata/(?P<metadata>(timestamp|[1-9][0-9]{0,9}\.(root|targets|snapshot|bundles|channels))\.json)"
    rf"|targets/(blobs/(?P<blob>{SHA256})"
    rf"|{SHA256}/(?P<manifest>{SHA256})\.manifest\.json"
    rf"|channels/{MODEL_NAME}/(?P<channel>{SHA256})\.{MODEL_NAME}\.json)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One file.

    Attributes:
        path: Where it lies.
        digest: Its SHA-256, where the name tells it.
        is_json: Or a file of a bundle.
        is_final: Whether the file under this name never changes.
    """

    path: Path
    digest: str | None
    is_json: bool
    is_final: bool


def served(public: Path, name: str) -> Served | None:
    """The file of this name, such as ``metadata/timestamp.json``; None when there is none that may be had.

    Args:
        public: The folder that is served.
        name: Below it, with slashes.
    """
    match = _NAMES.fullmatch(name)
    path = public / name
    if match is None or path.is_symlink() or not path.is_file():
        return None
    return Served(
        path=path,
        digest=match["blob"] or match["manifest"] or match["channel"],
        is_json=match["blob"] is None,
        is_final=name != "metadata/timestamp.json",
    )

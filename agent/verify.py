"""``python -m agent.verify DIRECTORY ID MODEL ARTIFACT|- RUNTIME==VERSION...``: is this bundle what its manifest says?

A child process, because hashing hundreds of megabytes would keep the supervisor from its other work. Writes one line:

    {"event": "verified", "model": .., "version": .., "serial": .., "artifact": .., "answers": [..]}
    {"event": "error", "code": "content|unfit", "message": ".."}
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from agent.child import die_with_parent
from edge_models.bundle import open_bundle, open_manifest
from edge_models.engines.registry import choose_artifact, device_files
from edge_models.errors import BundleError, EngineError
from edge_models.fields import JsonValue


def verified(directory: Path, bundle_id: str, model: str, artifact: str | None, runtimes: list[str]) -> JsonValue:
    """The line to write.

    Args:
        directory: Where the bundle lies.
        bundle_id: What it must be.
        model: The model slot that it must be for.
        artifact: The artifact wanted; None takes the best that runs here.
        runtimes: What runs here, as NAME==VERSION or NAME.
    """
    try:
        manifest = open_manifest(directory).manifest
        if manifest.model != model:
            return _error("unfit", f"the bundle is of model {manifest.model}, expected {model}")
        name = choose_artifact(manifest, runtimes, artifact)
        open_bundle(directory, expected_id=bundle_id, files=device_files(manifest, name, runtimes))
    except EngineError as exc:
        return _error("unfit", str(exc))
    except BundleError as exc:
        return _error("content", str(exc))
    return {
        "event": "verified",
        "model": manifest.model,
        "version": manifest.version,
        "serial": manifest.serial,
        "artifact": name,
        "answers": list(manifest.provenance.answers),
    }


def _error(code: str, message: str) -> JsonValue:
    return {"event": "error", "code": code, "message": " ".join(message.split())}


def main(argv: list[str]) -> int:
    """Check the bundle that ``argv`` names."""
    die_with_parent()
    directory, bundle_id, model, artifact, *runtimes = argv
    line = verified(Path(directory), bundle_id, model, None if artifact == "-" else artifact, runtimes)
    sys.stdout.write(json.dumps(line) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

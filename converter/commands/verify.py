"""``verify``: check every byte of a bundle and run its golden inputs on the runtime here."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from converter.errors import EXIT_FAILED, EXIT_OK
from edge_models.bundle import open_bundle
from edge_models.manifest import short


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of the bundle")
    parser.add_argument("--artifact", metavar="NAME", help="only this artifact")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def run(args: argparse.Namespace) -> int:
    """Check files, then run each artifact with default delegates off and on."""
    from edge_models.engines import open_engine
    from edge_models.selftest import run_probe

    bundle = open_bundle(args.bundle)
    names = list(bundle.manifest.artifacts) if args.artifact is None else [args.artifact]
    results, runtimes, executors, notes = {}, {}, {}, {}
    for name in names:
        for delegates in (False, True):
            engine = open_engine(bundle, name, delegates=delegates)
            try:
                key = f"{name}{'' if delegates else ' without delegates'}"
                results[key] = run_probe(bundle, name, engine, delegates=delegates)
                runtimes[key], executors[key] = engine.runtime, engine.executor
                notes[name] = engine.note
            finally:
                engine.close()
    ok = all(result.ok for result in results.values())
    if args.json:
        artifacts = {
            key: {**asdict(result), "runtime": runtimes[key], "executor": executors[key]}
            for key, result in results.items()
        }
        sys.stdout.write(json.dumps({"bundle": bundle.id, "ok": ok, "artifacts": artifacts}) + "\n")
        return EXIT_OK if ok else EXIT_FAILED
    sys.stdout.write(f"bundle {short(bundle.id)}: {len(bundle.manifest.files)} files as the manifest says\n")
    for key, result in results.items():
        verdict = "ok" if result.ok else f"REFUSED ({result.reason})"
        sys.stdout.write(
            f"{key}: {verdict}, {result.count} golden inputs, worst difference {result.worst_lsb} steps, "
            f"{_runner(executors[key], runtimes[key])}\n"
        )
    sys.stdout.writelines(f"note on {name}: {note}\n" for name, note in notes.items() if note)
    return EXIT_OK if ok else EXIT_FAILED


def _runner(executor: str, runtime: str) -> str:
    """Runtime and version; before it which executor, where an engine has several."""
    return runtime if executor == "interpreter" else f"{executor}, {runtime}"

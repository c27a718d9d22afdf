"""``driftline-agent replay``: its arguments and what it prints. The work is in ``agent.worker.offline``.

Importing this file loads no numpy, so the program's help stays quick.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TextIO, TypeVar

from agent.config import AdaptationConfig, AgentConfig, CommissioningConfig, DriftConfig, GatingConfig, load_config
from agent.errors import ConfigError
from agent.explain.picture import check_target, write_picture
from agent.yaml_document import parse_yaml
from edge_models.errors import FieldError
from edge_models.fields import decode, encode

C = TypeVar("C")

EPILOG = """\
FRAMES.npz holds x (n, ...), frames as a source delivers them, before preprocessing; and, if known, y (n,) true classes,
t (n,) seconds, rate_hz (frames in a second; of sound, whose frames are (samples,) float32, samples in a second as the
model's own). An anomaly model predicts 0 for normal and 1 for an anomaly.
Exit codes: 0 done, 2 the bundle or the frames cannot be used.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments to ``parser``."""
    parser.description = "Run recorded frames through the whole pipeline, as fast as possible, without a broker."
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of the bundle")
    parser.add_argument("frames", type=Path, metavar="FRAMES.npz", help="recorded frames")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a summary")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the drift, too; needs the extra 'plot'")
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help="take artifact, hold_codes, gating, drift and adaptation from this agent.yaml; options go before it",
    )
    _add_drift(parser)
    parser.add_argument("--artifact", metavar="NAME", help="artifact to run (default: as the device would choose)")
    parser.add_argument("--rate-hz", type=float, metavar="F", help="frames in a second (default: as recorded, or 10)")
    parser.add_argument(
        "--gating",
        metavar="{..}",
        help="hold frames as agent.yaml's gating section says, such as '{threshold: 12}', and compare with gating off",
    )
    parser.add_argument(
        "--adaptation",
        metavar="{..}",
        help="learn as agent.yaml's adaptation section says, such as '{}', from each label once its frame is answered",
    )
    parser.add_argument(
        "--hold-codes",
        type=codes,
        metavar="N",
        help="spiking artifacts: an input that differs by fewer codes keeps its value (default: 0, exact)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for the ids of requests (default: 0)")


def _add_drift(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--false-alarms-per-month",
        type=float,
        metavar="F",
        help="budget of false alarms (default: as configured, or 1)",
    )
    parser.add_argument(
        "--dead-band", type=float, metavar="SD", help="shift of a signal that does not count (default: 0.1)"
    )
    parser.add_argument(
        "--commissioning-hours",
        type=float,
        metavar="H",
        help="wall time before requests are made (default: as in --config, or 0: a recording is seldom a day long)",
    )
    parser.add_argument(
        "--feedback",
        type=share,
        nargs="?",
        const=1.0,
        default=0.0,
        metavar="SHARE",
        help="give this share of the labels back once their frames are answered (default without a number: all)",
    )


def run(arguments: argparse.Namespace) -> str:
    """Do what the arguments say; what is to be printed.

    Raises:
        AgentError: The frames or an argument cannot be used.
        EdgeModelsError: The bundle cannot be used.
    """
    from agent.worker.offline import replay
    from agent.worker.replay_summary import story_of, summary

    if arguments.plot is not None:
        check_target(arguments.plot)
    settings = _settings(arguments)
    report = replay(
        arguments.bundle,
        arguments.frames,
        clock_ns=time.perf_counter_ns,
        artifact=settings.artifact,
        rate_hz=arguments.rate_hz,
        seed=arguments.seed,
        drift=settings.drift,
        gating=settings.gating,
        adaptation=settings.adaptation,
        hold_codes=settings.hold_codes,
        feedback=arguments.feedback,
        cpu_ns=time.process_time_ns,
        progress=_progress(sys.stderr),
    )
    if arguments.plot is not None:
        write_picture(arguments.plot, story_of(report))
    return json.dumps(report.to_json(), allow_nan=False) if arguments.json else summary(report)


def _settings(arguments: argparse.Namespace) -> AgentConfig:
    """agent.yaml, or the defaults, with what stands on the command line before it."""
    if arguments.config is not None:
        config = load_config(arguments.config)
    else:
        commissioning = CommissioningConfig(hours=0.0)
        config = AgentConfig(id="replay", model="replay", state_dir="", drift=DriftConfig(commissioning=commissioning))
    given: dict[str, Any] = {
        "artifact": arguments.artifact,
        "hold_codes": arguments.hold_codes,
        "gating": _section("--gating", GatingConfig, arguments.gating, "{threshold: 12, share: 0.01, max_held: 20}"),
        "adaptation": _section("--adaptation", AdaptationConfig, arguments.adaptation, "{learner: {name: delta_rule}}"),
        "drift": _drift(config.drift, arguments),
    }
    return replace(config, **{name: value for name, value in given.items() if value is not None})


def _drift(drift: DriftConfig, arguments: argparse.Namespace) -> DriftConfig:
    """The section with its options, within the bounds that agent.yaml has."""
    document: dict[str, Any] = {field.name: encode(getattr(drift, field.name)) for field in fields(drift)}
    for name in ("false_alarms_per_month", "dead_band"):
        if getattr(arguments, name) is not None:
            document[name] = getattr(arguments, name)
    if arguments.commissioning_hours is not None:
        document["commissioning"]["hours"] = arguments.commissioning_hours
    try:
        return decode(DriftConfig, document, unknown="refuse")
    except FieldError as exc:
        option = {"commissioning.hours": "commissioning-hours"}.get(exc.where, exc.where.replace("_", "-"))
        raise ConfigError(f"--{option}: found {exc.found}, expected {exc.expected}") from exc


def _progress(stream: TextIO) -> Callable[[int, int], None] | None:
    """One moving line for whoever watches; nothing in a log file or a pipe."""
    if not stream.isatty():
        return None

    def tell(done: int, total: int) -> None:
        end = "\r" if done < total else "\r\x1b[K"
        stream.write(f"frame {done} of {total}{end}")
        stream.flush()

    return tell


def codes(text: str) -> int:
    """A number of input codes."""
    found = int(text)
    if not 0 <= found <= 255:
        raise argparse.ArgumentTypeError(f"found {found}, expected 0 to 255")
    return found


def share(text: str) -> float:
    """A share of 1."""
    found = float(text)
    if not 0 <= found <= 1:
        raise argparse.ArgumentTypeError(f"found {text}, expected a share from 0 to 1")
    return found


def _section(option: str, kind: type[C], text: str | None, example: str) -> C | None:
    """A section of agent.yaml that stands on the command line."""
    if text is None:
        return None
    try:
        return decode(kind, parse_yaml(text.encode()), unknown="refuse")
    except (ConfigError, FieldError) as exc:
        raise ConfigError(f"{option}: {exc}; expected such as '{example}'") from exc

"""``driftline-agent replay``: its arguments and what it prints. The work is in ``agent.worker.offline``.

Importing this file loads no numpy, so the program's help stays quick.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TypeVar

from agent.config import AdaptationConfig, GatingConfig
from agent.errors import ConfigError
from agent.yaml_document import parse_yaml
from edge_models.errors import FieldError
from edge_models.fields import decode

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
        default=0,
        metavar="N",
        help="spiking artifacts: an input that differs by fewer codes keeps its value (default: 0, exact)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for the ids of requests (default: 0)")


def run(arguments: argparse.Namespace) -> str:
    """Do what the arguments say; what is to be printed.

    Raises:
        AgentError: The frames or an argument cannot be used.
        EdgeModelsError: The bundle cannot be used.
    """
    from agent.worker.offline import replay

    report = replay(
        arguments.bundle,
        arguments.frames,
        clock_ns=time.perf_counter_ns,
        artifact=arguments.artifact,
        rate_hz=arguments.rate_hz,
        seed=arguments.seed,
        gating=_section("--gating", GatingConfig, arguments.gating, "{threshold: 12, share: 0.01, max_held: 20}"),
        adaptation=_section("--adaptation", AdaptationConfig, arguments.adaptation, "{learner: {name: delta_rule}}"),
        hold_codes=arguments.hold_codes,
        cpu_ns=time.process_time_ns,
    )
    return json.dumps(report.to_json(), allow_nan=False) if arguments.json else report.summary()


def codes(text: str) -> int:
    """A number of input codes."""
    found = int(text)
    if not 0 <= found <= 255:
        raise argparse.ArgumentTypeError(f"found {found}, expected 0 to 255")
    return found


def _section(option: str, kind: type[C], text: str | None, example: str) -> C | None:
    """A section of agent.yaml that stands on the command line."""
    if text is None:
        return None
    try:
        return decode(kind, parse_yaml(text.encode()), unknown="refuse")
    except (ConfigError, FieldError) as exc:
        raise ConfigError(f"{option}: {exc}; expected such as '{example}'") from exc

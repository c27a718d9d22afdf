"""Run the whole loop on this machine: train, drift, ask, retrain, roll out, recover.

Three simulated Raspberry Pis, each an agent of its own, watch digits through a camera. Two cameras change for good; the
devices notice, ask over MQTT, deliver samples, and get a better model by a canary rollout. Everything is real:
TensorFlow training, int8 conversion, an MQTT broker, signed bundles over HTTP. At the end stand a table and a report.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.demo.options import ARTIFACTS
from deploy.errors import EXIT_FAILED, EXIT_OK, DeployError, UsageError

if TYPE_CHECKING:
    from deploy.clock import Clock
    from deploy.demo.stage import Stage
    from deploy.demo.story import Story
    from deploy.demo.teller import Teller

EXIT_CODES = {0: "the loop is closed", 1: "it is not; the report says what is missing"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("--devices", type=int, default=3, metavar="N", help="number of devices, 3 to 12 (%(default)s)")
    parser.add_argument(
        "--artifact",
        choices=ARTIFACTS,
        default=ARTIFACTS[0],
        help="what the devices run: the int8 TFLite file, or its spiking form (%(default)s)",
    )
    parser.add_argument(
        "--drift",
        type=Path,
        metavar="FILE.npz",
        help="frames of another drift, x (n, 28, 28) uint8 and y (n,), in the place of the new camera",
    )
    parser.add_argument(
        "--report",
        type=Path,
        default=Path("demo-report.json"),
        metavar="PATH",
        help="where the report goes (%(default)s); the run's files lie in demo-run beside it",
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument("--fast", action="store_true", help="faster frames and fewer epochs, for CI")
    parser.add_argument("--json", action="store_true", help="print the report on stdout, the story on stderr")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="of everything random (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Tell the story, write the report, and say whether the loop is closed."""
    from rich.console import Console

    from deploy.clock import SystemClock
    from deploy.demo.options import DemoOptions
    from deploy.demo.stage import Stage, stage_folder
    from deploy.demo.story import Story
    from deploy.demo.teller import Teller

    options = DemoOptions(
        devices=args.devices,
        artifact=args.artifact,
        drift_file=args.drift,
        report=args.report,
        keep=args.keep,
        fast=args.fast,
        seed=args.seed,
    )
    clock = SystemClock()
    teller = Teller(Console(stderr=args.json), clock.monotonic_s)
    folder = stage_folder(options.report)
    shutil.rmtree(folder, ignore_errors=True)
    with Stage(folder) as stage:
        story = Story(options, stage, teller, clock)
        ended = ""
        try:
            story.tell()
        except DeployError as exc:
            if isinstance(exc, UsageError):
                raise
            ended = str(exc)
        code = _conclude(story, options.report, teller, ended)
        if args.json:
            sys.stdout.write(options.report.read_text(encoding="utf-8"))
            sys.stdout.flush()
        if options.keep:
            _keep(stage, teller, clock)
    return code


def _keep(stage: Stage, teller: Teller, clock: Clock) -> None:
    teller.print(
        f"Everything goes on: MQTT on 127.0.0.1:{stage.mqtt_port}, registry on http://127.0.0.1:{stage.registry_port}, "
        f"configuration in {stage.folder / 'fleet.yaml'}. Ctrl-C ends it."
    )
    while True:
        stage.check()
        clock.sleep(1.0)


def _conclude(story: Story, report: Path, teller: Teller, ended: str) -> int:
    from deploy.demo.report import checks, device_table, loop_closed, write

    findings = story.findings()
    write(report, findings, ended=ended)
    found = checks(findings)
    teller.print("")
    teller.print(device_table(findings))
    for check in found:
        teller.print(f"{'[green]yes[/green]' if check.met else '[red]no [/red]'} {check.name}: {check.found}")
    driven, blind = findings.retrain.evidence_driven_accuracy, findings.retrain.evidence_blind_accuracy
    if driven is not None and blind is not None:
        teller.print(f"on held-back samples: {driven:.1%} retrained with evidence, {blind:.1%} without")
    teller.print(f"report: {report}   {teller.elapsed_s:.0f} s")
    if ended:
        sys.stderr.write(f"driftline-fleet: error: {ended}\n")
    closed = loop_closed(found) and not ended
    teller.print("[bold green]The loop is closed.[/bold green]" if closed else "[bold red]The loop is open.[/bold red]")
    return EXIT_OK if closed else EXIT_FAILED

"""Answer requests for better models: train with what devices delivered, publish what is better, roll it out.

Takes jobs that `driftline-fleet controller` opens, waits for enough labelled samples, and runs `driftline-convert` as a
child process. A bundle is published only if it is better than its parent on samples that were held back from training,
and loses no more than 1 point on the old test set. Needs the keys in REGISTRY/keys/online.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from deploy.commands._fleet import add_options, config_of, opened
from deploy.commands._output import print_json, say
from deploy.errors import EXIT_OK, DatabaseError, Terminated

if TYPE_CHECKING:
    from deploy.clock import Clock
    from deploy.config import FleetConfig
    from deploy.retrain.ports import Converter
    from deploy.retrain.worker import RetrainWorker

LOG_LEVEL = "info"
EXIT_CODES = {0: "ended by Ctrl-C or SIGTERM; --once: nothing is left to do"}
POLL_S = 1.0

log = logging.getLogger(__name__)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_options(parser, registry=True)
    parser.add_argument("--recipe", metavar="FILE", help="recipe: what to retrain from")
    parser.add_argument("--work-dir", metavar="DIR", help="work_dir: directory for the files of jobs")
    parser.add_argument("--once", action="store_true", help="end as soon as there is nothing to do")


def run(args: argparse.Namespace) -> int:
    """Work until stopped."""
    from deploy.clock import SystemClock
    from deploy.registry import Registry
    from deploy.retrain.lock import held
    from deploy.retrain.worker import RetrainWorker

    config, clock = config_of(args), SystemClock()
    work_dir = Path(config.work_dir)
    registry = Registry(Path(config.registry))
    try:
        with held(work_dir) as name, opened(config, must_exist=False) as database:
            worker = RetrainWorker(
                config, database, registry, lambda path: _converter(config, clock, path), clock, name
            )
            if args.json:
                print_json({"event": "ready", "model": config.model, "work_dir": str(work_dir)})
            else:
                say(f"retraining worker of {config.model}, files in {work_dir}")
            if args.once:
                while worker.step():
                    pass
                return EXIT_OK
            _work(worker, clock)
    except (KeyboardInterrupt, Terminated):
        return EXIT_OK


def _work(worker: RetrainWorker, clock: Clock) -> NoReturn:
    from deploy.registry.errors import RegistryBusyError

    while True:
        try:
            is_idle = not worker.step()
        except (DatabaseError, RegistryBusyError) as exc:
            log.error("%s; trying again", exc)  # noqa: TRY400 - our own errors say it all
            is_idle = True
        if is_idle:
            clock.sleep(POLL_S)


def _converter(config: FleetConfig, clock: Clock, log_file: Path) -> Converter:
    from deploy.retrain.converter_process import ConverterProcess

    return ConverterProcess(
        log_file=log_file, timeout_s=config.retrain.timeout_s, nice=config.retrain.nice, clock=clock
    )

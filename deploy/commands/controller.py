"""Run the controller: takes in what devices report, and carries rollouts out.

It stores everything in the fleet database, gathers requests for better models into jobs for `driftline-fleet retrain`,
and moves rollouts on that `driftline-fleet rollout start` or a job has ordered. One controller for each model slot.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from deploy.commands._fleet import add_options, config_of, opened
from deploy.commands._output import print_json, say
from deploy.errors import EXIT_OK, LinkError, Terminated

log = logging.getLogger(__name__)

_CONNECT_TIMEOUT_S = 10.0
LOG_LEVEL = "info"
EXIT_CODES = {0: "ended by Ctrl-C or SIGTERM"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_options(parser, registry=True, mqtt=True)


def run(args: argparse.Namespace) -> int:
    """Work until stopped."""
    from deploy.clock import SystemClock
    from deploy.fleet.controller import Controller, controller_link
    from deploy.registry import Registry

    config = config_of(args)
    clock = SystemClock()
    registry = Registry(Path(config.registry))
    try:
        with opened(config, must_exist=False) as database, controller_link(config, clock) as link:
            controller = Controller(config, database, registry, link, clock)
            try:
                link.wait_until_connected(_CONNECT_TIMEOUT_S)
            except LinkError as exc:  # it is what this program has to live with
                log.warning("%s; trying again for as long as it takes", exc)
            if args.json:
                print_json({"event": "ready", "model": config.model, "channel": config.channel})
            else:
                say(f"controller of {config.model}/{config.channel} on {config.mqtt.host}:{config.mqtt.port}")
            controller.run()
    except (KeyboardInterrupt, Terminated):
        return EXIT_OK

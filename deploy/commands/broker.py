"""Run the embedded MQTT broker, or write a configuration for Mosquitto.

The embedded broker is for the demo, tests and small sites on a trusted machine: it has no access control and forgets
everything when it ends. MQTT 5 and MQTT 3.1.1 are served on two ports. For production use Mosquitto:

  driftline-fleet broker --mosquitto DIR     writes driftline.conf and driftline.acl
"""

from __future__ import annotations

import argparse
from pathlib import Path

from deploy.commands._fleet import port_number
from deploy.commands._output import print_json, say, warn
from deploy.errors import EXIT_OK, BrokerError, Terminated, UsageError

LOG_LEVEL = "info"
EXIT_CODES = {0: "ended by Ctrl-C or SIGTERM, or files written", 1: "a port is taken, or the broker died"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=port_number, metavar="PORT", help="port of MQTT 5; 0 takes a free one (1883)")
    parser.add_argument("--port-v3", type=port_number, metavar="PORT", help="port of MQTT 3.1.1 (the one above --port)")
    parser.add_argument("--mosquitto", type=Path, metavar="DIR", help="write Mosquitto's configuration there instead")
    parser.add_argument("--base", default="driftline", metavar="TOPIC", help="base topic (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON line when ready")


def run(args: argparse.Namespace) -> int:
    """Serve until stopped, or write the files."""
    if args.mosquitto is not None:
        return _write_mosquitto(args)
    return _serve(args)


def _serve(args: argparse.Namespace) -> int:
    from deploy.broker.embedded import DEFAULT_PORT, EmbeddedBroker

    port = DEFAULT_PORT if args.port is None else args.port
    port_v3 = args.port_v3 if args.port_v3 is not None else (port + 1 if port else 0)
    try:
        with EmbeddedBroker(host=args.host, port=port, port_v3=port_v3) as broker:
            _announce(args, broker.port, broker.port_v3)
            while not broker.wait(1.0):
                pass
    except (KeyboardInterrupt, Terminated):
        return EXIT_OK
    raise BrokerError("the embedded broker has died; start it again, and report what it logged")


def _announce(args: argparse.Namespace, port: int, port_v3: int) -> None:
    if args.json:
        print_json({"event": "ready", "host": args.host, "mqtt5": port, "mqtt311": port_v3})
        return
    say(f"MQTT 5 on {args.host}:{port}, MQTT 3.1.1 on {args.host}:{port_v3}; Ctrl-C ends the broker")
    if args.host not in ("127.0.0.1", "::1", "localhost"):
        warn("anyone who reaches this address can read and publish everything; Mosquitto has access control")


def _write_mosquitto(args: argparse.Namespace) -> int:
    from deploy.broker.mosquitto import write_files

    try:
        files = write_files(args.mosquitto, port=args.port or 8883, base=args.base)
    except ValueError as exc:
        raise UsageError(f"--base: {exc}") from exc
    if args.json:
        print_json({"files": [str(path) for path in files]})
        return EXIT_OK
    say("\n".join(f"wrote {path}" for path in files))
    say("copy both to /etc/mosquitto/conf.d, put ca.crt, server.crt and server.key into /etc/mosquitto/certs,")
    say("then: systemctl restart mosquitto")
    return EXIT_OK

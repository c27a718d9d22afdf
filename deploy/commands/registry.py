"""Publish signed bundles, choose what devices run, and serve both over HTTP.

  driftline-fleet registry init DIR                        new registry; prints the root.json that devices need
  driftline-fleet registry publish BUNDLE --registry DIR   sign a bundle; --channel NAME also makes devices run it
  driftline-fleet registry serve --registry DIR            HTTP server for devices; keeps signatures fresh;
                                                           with --mqtt HOST or -c fleet.yaml through the broker too
  driftline-fleet registry channel show|set ...            what the devices of a channel run
  driftline-fleet registry list --registry DIR             published bundles
  driftline-fleet registry renew --registry DIR            new signatures before the old ones expire
  driftline-fleet registry rotate ROLE --registry DIR      a new key for one that was stolen or lost

Keys are unencrypted ed25519 PEM files with mode 0600 under DIR/keys. Those in keys/offline decide whom devices trust:
move them off this machine after init, to two sticks in two places. Publishing and channels need keys/online only; the
offline keys are needed once a year, for `renew --offline`, and for `rotate`. Only DIR/public may be served by another
web server.
"""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.commands._fleet import broker_of
from deploy.commands._output import print_json, print_table, say, warn
from deploy.errors import EXIT_OK, UsageError
from edge_models.manifest import MODEL_NAME, BundleId, short

if TYPE_CHECKING:
    from datetime import datetime

    from deploy.registry import Registry
    from edge_models.channel import Channel

EXIT_CODES = {
    0: "done; serve: ended by Ctrl-C or SIGTERM",
    1: "the registry is damaged, or another process holds its lock for 30 s",
    2: "wrong usage; no registry, bundle or key there; a bad bundle; a serial or rev that is not above the present one",
}
_RENEWAL_PERIOD_S = 3600.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=type(parser))
    init = _action(actions, "init", "make a registry with new keys")
    init.add_argument("registry", type=Path, metavar="DIR", help="must not exist or be empty")

    publish = _action(actions, "publish", "check, copy and sign a bundle")
    publish.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory that driftline-convert wrote")
    _registry_option(publish)
    publish.add_argument("--channel", metavar="NAME", help="also make this channel's devices run the bundle")
    _channel_options(publish)

    channel = _action(actions, "channel", "show or set what devices run")
    verbs = channel.add_subparsers(dest="channel_action", required=True, metavar="show|set", parser_class=type(parser))
    show = _action(verbs, "show", "print channels")
    show.add_argument("model", nargs="?", metavar="MODEL", help="of this model only")
    show.add_argument("channel", nargs="?", metavar="CHANNEL", help="this channel only")
    _registry_option(show)
    change = _action(verbs, "set", "replace a channel's document")
    change.add_argument("channel", metavar="CHANNEL", help="such as stable")
    change.add_argument("bundle", metavar="BUNDLE_ID", help="id of a published bundle, or the first digits of it")
    _registry_option(change)
    _channel_options(change)

    listing = _action(actions, "list", "print published bundles")
    listing.add_argument("model", nargs="?", metavar="MODEL", help="of this model only")
    _registry_option(listing)

    renew = _action(actions, "renew", "sign what would expire anew")
    _registry_option(renew)
    renew.add_argument("--offline", action="store_true", help="root and targets too; needs the keys in keys/offline")

    rotation = _action(actions, "rotate", "give a role a new key; needs the keys in keys/offline")
    rotation.add_argument("role", metavar="ROLE", help="bundles, channels, snapshot or timestamp")
    _registry_option(rotation)

    serve = _action(actions, "serve", "serve a registry over HTTP until stopped")
    _registry_option(serve)
    serve.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (%(default)s)")
    serve.add_argument("--port", type=int, default=8080, metavar="PORT", help="TCP port; 0 takes a free one (8080)")
    serve.add_argument(
        "--mqtt", metavar="HOST[:PORT]", help="answer devices with `update.over: mqtt` through this broker as well"
    )
    serve.add_argument("-c", "--config", type=Path, metavar="FILE", help="fleet.yaml whose broker to use, with its TLS")
    serve.add_argument("--no-renew", action="store_true", help="do not renew signatures each hour while serving")


def run(args: argparse.Namespace) -> int:
    """Do what the action says."""
    {
        "init": _init,
        "publish": _publish,
        "channel": _channel,
        "list": _list,
        "renew": _renew,
        "rotate": _rotate,
        "serve": _serve,
    }[args.action](args)
    return EXIT_OK


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _registry_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--registry", type=Path, required=True, metavar="DIR", help="directory of the registry")


def _channel_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--percent",
        type=int,
        default=100,
        metavar="N",
        help="share of devices that run it (100); those that a rollout has told otherwise keep to what is listed",
    )
    parser.add_argument("--base", metavar="BUNDLE_ID", help="what the others run (what the channel said before)")
    parser.add_argument("--seed", metavar="TEXT", help="which devices are the first ones (the bundle's id)")
    parser.add_argument("--min-serial", type=int, metavar="N", help="older bundles must no longer start (unchanged)")
    parser.add_argument(
        "--also", action="append", default=[], metavar="BUNDLE_ID", help="list it too, so that `desired` may name it"
    )


def _open(args: argparse.Namespace) -> Registry:
    from deploy.registry import Registry

    return Registry(args.registry)


def _init(args: argparse.Namespace) -> None:
    from deploy.registry import Registry

    registry = Registry.create(args.registry)
    offline = registry.directory / "keys" / "offline"
    if args.json:
        print_json({"registry": str(registry.directory), "root": str(registry.trusted_root), "offline": str(offline)})
        return
    say(f"registry made in {registry.directory}")
    say(f"give every device {registry.trusted_root} as update.root")
    say(f"move {offline} off this machine: whoever has these keys decides what devices trust")


def _publish(args: argparse.Namespace) -> None:
    registry = _open(args)
    if args.channel is not None:
        _check_channel_options(registry, args)
    bundle = registry.publish(args.bundle)
    channel = _set_channel(registry, args, args.channel, bundle) if args.channel is not None else None
    item = registry.find(bundle)
    if args.json:
        row = {"bundle": bundle, "model": item.model, "version": item.version, "serial": item.serial}
        print_json(row | {"channel": None if channel is None else _channel_row(channel)})
        return
    say(f"published {item.model} {item.version} (serial {item.serial}) as {bundle}")
    if channel is not None:
        say(_sentence(channel))


def _channel(args: argparse.Namespace) -> None:
    registry = _open(args)
    if args.channel_action == "set":
        _check_channel_options(registry, args)
        channels = [_set_channel(registry, args, args.channel, registry.find(args.bundle).id)]
    else:
        channels = [one for one in registry.channels(args.model) if args.channel in (None, one.channel)]
        if args.channel is not None and not channels:
            raise UsageError(f"no channel {args.model}/{args.channel} in {args.registry}; set it first")
    if args.json:
        print_json([_channel_row(channel) for channel in channels])
        return
    say("\n".join(_sentence(channel) for channel in channels) or "no channel is set")


def _check_channel_options(registry: Registry, args: argparse.Namespace) -> None:
    """Refuse what would fail after the bundle was published."""
    for name in (args.base, *args.also):
        if name is not None:
            registry.find(name)
    if not re.fullmatch(MODEL_NAME, args.channel):
        raise UsageError(f"channel {args.channel!r}: expected a name like {MODEL_NAME}")
    if not 0 <= args.percent <= 100:
        raise UsageError(f"--percent {args.percent}: expected 0 to 100")


def _set_channel(registry: Registry, args: argparse.Namespace, name: str, bundle: BundleId) -> Channel:
    from deploy.registry.catalog import next_channel

    item = registry.find(bundle)
    base = None if args.base is None else registry.find(args.base)
    also = [registry.find(one) for one in args.also]
    return registry.change_channel(
        item.model,
        name,
        lambda present: next_channel(
            present,
            name,
            item,
            base=base,
            also=also,
            percent=args.percent,
            seed=args.seed,
            min_serial=args.min_serial,
        ),
    )


def _list(args: argparse.Namespace) -> None:
    items = _open(args).bundles(args.model)
    if args.json:
        keys = ("id", "model", "version", "serial")
        print_json([{key: getattr(item, key) for key in keys} for item in items])
        return
    rows = [(item.model, item.serial, item.version, short(item.id)) for item in items]
    print_table(("model", "serial", "version", "bundle"), rows, empty="no bundle is published")


def _renew(args: argparse.Namespace) -> None:
    _print_expiries(args, _open(args).renew(offline=args.offline))


def _rotate(args: argparse.Namespace) -> None:
    _print_expiries(args, _open(args).rotate(args.role))


def _print_expiries(args: argparse.Namespace, expiries: Mapping[str, datetime]) -> None:
    if args.json:
        print_json({role: expires.isoformat() for role, expires in expiries.items()})
        return
    print_table(
        ("role", "expires"), [(role, f"{expires:%Y-%m-%d %H:%M} UTC") for role, expires in expiries.items()], empty=""
    )


def _serve(args: argparse.Namespace) -> None:
    from deploy.registry.server import Renewal, serve

    registry = _open(args)
    if args.host not in ("127.0.0.1", "::1", "localhost") and not args.json:
        warn("content is signed, so plain HTTP is safe from changes; who listens can still see which models you run")
    renewal = contextlib.nullcontext() if args.no_renew else Renewal(registry.keep_fresh, period_s=_RENEWAL_PERIOD_S)
    with renewal, _through_the_broker(args, registry):
        serve(registry.directory, args.host, args.port, ready=lambda url: _announce(args, url))


@contextlib.contextmanager
def _through_the_broker(args: argparse.Namespace, registry: Registry) -> Iterator[None]:
    if args.mqtt is None and args.config is None:
        yield
        return
    from deploy.clock import SystemClock
    from deploy.link import Link
    from deploy.registry.block_server import BlockServer, subscriptions
    from edge_models.wire import Topics

    config, clock = broker_of(args.config, args.mqtt), SystemClock()
    topics = Topics(config.base)
    # A broker that takes names from certificates gives this program its own, or the controller would be thrown off.
    link = Link(config, subscriptions(topics), client_id=f"{config.client_id}-files", clock=clock)
    with link, BlockServer(registry.public, link, topics, clock):
        yield


def _announce(args: argparse.Namespace, url: str) -> None:
    if args.json:
        print_json({"event": "ready", "url": url})
    else:
        say(f"serving {args.registry} on {url}; Ctrl-C ends")


def _channel_row(channel: Channel) -> object:
    from edge_models.fields import encode

    return encode(channel)


def _sentence(channel: Channel) -> str:
    rest = f", the others {short(channel.base)}" if channel.base and channel.percent < 100 else ""
    return (
        f"{channel.model}/{channel.channel} rev {channel.rev}: {channel.percent} % of devices run "
        f"{short(channel.bundle)}{rest}"
    )

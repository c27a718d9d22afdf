"""What is published, and which additions are legal: serials rise, channels list what exists. No IO here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deploy.registry.errors import ChannelError, SerialError, UnknownBundleError
from deploy.registry.metadata import SignedFile, State
from edge_models.channel import Channel, manifest_target
from edge_models.errors import FieldError
from edge_models.manifest import BundleId, Manifest, short


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published bundle, as its signed target says."""

    id: BundleId
    model: str
    version: str
    serial: int


def published(state: State) -> dict[BundleId, Published]:
    """Every published bundle."""
    files = [(BundleId(file.sha256), file.custom) for file in state.files("bundles").values()]
    return {
        name: Published(id=name, model=said["model"], version=said["version"], serial=said["serial"])
        for name, said in files
    }


def find_bundle(state: State, prefix: str) -> Published:
    """The published bundle whose id starts with ``prefix``.

    Raises:
        UnknownBundleError: None does, or several.
    """
    found = [item for name, item in published(state).items() if name.startswith(prefix)]
    if not found:
        raise UnknownBundleError(f"bundle {prefix}: not published here; `driftline-fleet registry publish` does that")
    if len(found) > 1:
        raise UnknownBundleError(
            f"bundle {prefix}: {len(found)} published bundles have an id that starts so; give more of its digits"
        )
    return found[0]


def list_bundle(state: State, bundle: BundleId, manifest: Manifest, manifest_bytes: int) -> None:
    """Add a bundle to the signed list.

    Raises:
        SerialError: Another bundle of the model has this serial or a higher one.
    """
    same_model = [item.serial for item in published(state).values() if item.model == manifest.model]
    newest = max(same_model, default=0)
    if manifest.serial <= newest:
        raise SerialError(
            f"bundle {short(bundle)}: serial {manifest.serial}, but {manifest.model} has serial {newest} published; "
            f"build it again with --serial {newest + 1}"
        )
    said = {"model": manifest.model, "version": manifest.version, "serial": manifest.serial}
    state.list_file("bundles", manifest_target(bundle), SignedFile(size=manifest_bytes, sha256=bundle, custom=said))


def check_channel(channel: Channel, present: Channel | None, state: State) -> None:
    """Refuse a channel document that must not take the place of ``present``.

    Raises:
        ChannelError: Devices could not read it, its rev is not above the present one, or it lists a bundle of another
            model or serial.
        UnknownBundleError: It lists a bundle that is not published.
    """
    where = f"channel {channel.model}/{channel.channel}"
    try:
        Channel.from_bytes(channel.to_bytes())  # fields of an object are not checked before it is read back
    except FieldError as exc:
        raise ChannelError(f"{where}: {exc}") from exc
    if present is not None and channel.rev <= present.rev:
        raise ChannelError(
            f"{where}: rev {channel.rev} is not above the present rev {present.rev}; "
            "read the channel again and repeat the change"
        )
    known = published(state)
    for name, serial in channel.listed.items():
        if name not in known:
            raise UnknownBundleError(f"{where}: lists bundle {short(name)}, which is not published; publish it first")
        item = known[name]
        if (item.model, item.serial) != (channel.model, serial):
            raise ChannelError(
                f"{where}: lists bundle {short(name)} with serial {serial}, "
                f"but it is {item.model} with serial {item.serial}"
            )


def next_channel(
    present: Channel | None,
    name: str,
    bundle: Published,
    *,
    base: Published | None = None,
    also: Sequence[Published] = (),
    percent: int = 100,
    seed: str | None = None,
    min_serial: int | None = None,
) -> Channel:
    """The channel document that makes ``percent`` of the devices run ``bundle``, following ``present``.

    Args:
        present: The present document, or None for a new channel.
        name: Of the channel.
        bundle: What devices inside ``percent`` run.
        base: What the others run; by default what ``present`` made all devices run before.
        also: Further bundles that ``desired`` may name.
        percent: Share of devices.
        seed: Which devices are the first ones; by default the start of the bundle's id.
        min_serial: Older bundles must no longer start; by default as in ``present``.
    """
    others = {base.id: base.serial} if base is not None else _before(present, bundle.id) if percent < 100 else {}
    lowest = min_serial if min_serial is not None else (present.min_serial if present else 1)
    try:
        channel = Channel(
            model=bundle.model,
            channel=name,
            rev=present.rev + 1 if present else 1,
            bundle=bundle.id,
            base=next(iter(others), None),
            percent=percent,
            seed=seed if seed is not None else short(bundle.id),
            min_serial=lowest,
            listed={item.id: item.serial for item in (bundle, *also)} | others,
        )
    except ValueError as exc:
        raise ChannelError(
            f"channel {bundle.model}/{name}: expected {exc}; lower --min-serial or choose another"
        ) from exc
    return present if present is not None and replace(channel, rev=present.rev) == present else channel


def _before(present: Channel | None, bundle: BundleId) -> dict[BundleId, int]:
    """What all devices ran before ``bundle``, with its serial; empty if that is not known."""
    name = None if present is None else present.bundle if present.bundle != bundle else present.base
    return {} if present is None or name is None else {name: present.listed[name]}

"""What a rollout asks of the signed channel, and when it must not begin because of it. No IO here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from deploy.errors import RolloutError
from deploy.rollout.rollout import Rollout, wanted_channel
from edge_models.channel import Channel
from edge_models.manifest import BundleId, short


def refusal(model: str, name: str, present: Channel | None, bundle: BundleId, serial: int) -> str:
    """Why a rollout of ``bundle`` must not begin on a channel; empty if it may."""
    where = f"channel {model}/{name}"
    if present is None:
        return (
            f"{where} does not exist: set the fleet's first bundle with "
            f"`driftline-fleet registry channel set {name} BUNDLE_ID`"
        )
    if present.percent < 100:
        return (
            f"{where} runs {short(present.bundle)} on {present.percent} % of the devices: "
            f"decide for all of them first, with `driftline-fleet registry channel set {name} BUNDLE_ID`"
        )
    if present.bundle == bundle:
        return f"{short(bundle)} is what {where} runs already"
    if serial < present.min_serial:
        return f"{short(bundle)} has serial {serial}, {where} allows {present.min_serial} and above"
    return ""


def document(
    model: str, name: str, present: Channel | None, rollout: Rollout, serials: Mapping[BundleId, int]
) -> Channel:
    """The channel as ``rollout`` wants it; the very same document when it already says so.

    Args:
        model: The model slot.
        name: The channel.
        present: Its document.
        rollout: What is rolled out.
        serials: Serial of every bundle that is to be listed.

    Raises:
        RolloutError: One of them must no longer start.
    """
    try:
        wanted = Channel(
            model=model,
            channel=name,
            rev=0 if present is None else present.rev,
            bundle=wanted_channel(rollout).bundle,
            base=rollout.base,
            percent=100,
            seed=rollout.id[:64],
            min_serial=1 if present is None else present.min_serial,
            listed=dict(serials),
        )
    except ValueError as exc:  # somebody has raised min_serial since the rollout began
        raise RolloutError(
            f"channel {model}/{name}: expected {exc}; allow it again with "
            f"`driftline-fleet registry channel set {name} {short(rollout.base)} --min-serial N`"
        ) from exc
    return wanted if wanted == present else replace(wanted, rev=wanted.rev + 1)

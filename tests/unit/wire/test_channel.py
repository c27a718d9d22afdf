"""The signed channel document and the choice that a device makes from it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_models.channel import (
    Channel,
    Choice,
    channel_target,
    choose,
    effective_hint,
    manifest_target,
    takes_part,
)
from edge_models.errors import FieldError
from edge_models.manifest import BundleId
from edge_models.wire import Desired, GroupDesired

OLD, BASE, NEW, FOREIGN = (BundleId(letter * 64) for letter in "abcf")
VALUES: dict[str, Any] = {
    "model": "digits",
    "channel": "stable",
    "rev": 7,
    "bundle": NEW,
    "base": BASE,
    "percent": 0,
    "listed": {BASE: 2, NEW: 3},
}


def channel(**changes: Any) -> Channel:
    return Channel(**(VALUES | changes))


def desired(bundle: BundleId, rev: int = 1) -> Desired:
    return Desired(rev=rev, bundle=bundle)


def test_device_outside_the_share_stays_at_the_base() -> None:
    assert choose(channel(), "pi7", None, 2) == Choice(bundle=BASE)


def test_device_inside_the_share_runs_the_bundle() -> None:
    assert choose(channel(percent=100), "pi7", None, 2) == Choice(bundle=NEW)


def test_first_release_leaves_the_others_as_they_are() -> None:
    document = channel(base=None, listed={NEW: 3})

    assert choose(document, "pi7", None, None) == Choice(bundle=None)


def test_listed_hint_is_obeyed() -> None:
    assert choose(channel(), "pi7", desired(NEW), 2) == Choice(bundle=NEW)


def test_unlisted_hint_is_refused_and_the_channel_followed() -> None:
    choice = choose(channel(), "pi7", desired(FOREIGN), 2)

    assert choice.bundle == BASE
    assert choice.refused == "desired names ffffffffffff, which channel stable rev 7 does not list"


def test_forged_hint_at_an_older_signed_bundle_is_refused() -> None:
    choice = choose(channel(percent=100), "pi7", desired(OLD), 3)

    assert (choice.bundle, choice.downgrade) == (NEW, False)
    assert choice.refused is not None


def test_hint_below_the_smallest_serial_is_refused_although_listed() -> None:
    document = channel(listed={OLD: 1, BASE: 2, NEW: 3}, min_serial=2)

    choice = choose(document, "pi7", desired(OLD), 2)

    assert choice.bundle == BASE
    assert choice.refused == "desired names aaaaaaaaaaaa with serial 1, channel stable rev 7 wants at least 2"


def test_lower_serial_runs_where_the_channel_lists_it() -> None:
    assert choose(channel(), "pi7", desired(BASE), 3) == Choice(bundle=BASE, downgrade=True)


@given(
    percent=st.integers(0, 100),
    hint=st.none() | st.sampled_from([OLD, BASE, NEW, FOREIGN]).map(desired),
    serial=st.none() | st.integers(1, 5),
    device=st.text("abc-", min_size=1, max_size=5),
)
def test_only_listed_bundles_are_ever_chosen(
    percent: int, hint: Desired | None, serial: int | None, device: str
) -> None:
    document = channel(percent=percent)

    choice = choose(document, device, hint, serial)

    assert choice.bundle in document.listed
    assert (choice.refused is None) == (hint is None or hint.bundle in document.listed)


@given(st.text(max_size=10), st.text(max_size=10), st.integers(0, 100), st.integers(0, 100))
def test_device_of_a_small_share_is_in_every_larger_one(seed: str, device: str, small: int, large: int) -> None:
    small, large = sorted((small, large))

    assert takes_part(seed, device, large) or not takes_part(seed, device, small)


def test_share_is_about_the_share_of_devices() -> None:
    inside = sum(takes_part("wave-1", f"pi{i}", 20) for i in range(1000))

    assert 150 < inside < 250


def test_own_hint_beats_those_of_groups_whatever_their_rev() -> None:
    own = desired(BASE, rev=1)

    assert effective_hint("pi7", own, [GroupDesired(rev=9, bundle=NEW)]) is own


def test_highest_rev_wins_among_groups() -> None:
    hints = [GroupDesired(rev=2, bundle=NEW), GroupDesired(rev=5, bundle=BASE), GroupDesired(rev=3, bundle=NEW)]

    assert effective_hint("pi7", None, hints) is hints[1]


def test_group_hint_for_other_devices_is_none() -> None:
    assert effective_hint("pi7", None, [GroupDesired(rev=2, bundle=NEW, percent=0)]) is None


def test_document_reads_back() -> None:
    assert Channel.from_bytes(channel().to_bytes()) == channel()


def test_field_of_a_newer_writer_is_ignored() -> None:
    data = json.dumps({**json.loads(channel().to_bytes()), "note": "x"}).encode()

    assert Channel.from_bytes(data) == channel()


@pytest.mark.parametrize(
    "change",
    [
        {"listed": {}},
        {"listed": {NEW: 3}},
        {"listed": {BASE: 2}},
        {"listed": {BASE: 2, NEW: 3, "x": 1}},
        {"listed": {BASE: 2, NEW: 0}},
        {"min_serial": 3},
        {"percent": 101},
        {"bundle": "x"},
        {"model": "../digits"},
        {"v": 2},
    ],
)
def test_document_that_contradicts_itself_is_refused(change: dict[str, Any]) -> None:
    data = json.dumps({**json.loads(channel().to_bytes()), **change}).encode()

    with pytest.raises(FieldError):
        Channel.from_bytes(data)


def test_targets_lie_where_the_registry_puts_them() -> None:
    assert channel_target("digits", "stable") == "channels/digits/stable.json"
    assert manifest_target(NEW) == f"{NEW}/manifest.json"

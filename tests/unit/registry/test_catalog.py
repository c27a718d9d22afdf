"""What a new channel document says when the operator leaves things out."""

from __future__ import annotations

import pytest

from deploy.registry.catalog import Published, next_channel
from deploy.registry.errors import ChannelError
from edge_models.manifest import BundleId

OLD = Published(id=BundleId("a" * 64), model="digits", version="1", serial=1)
NEW = Published(id=BundleId("b" * 64), model="digits", version="2", serial=2)
THIRD = Published(id=BundleId("c" * 64), model="digits", version="3", serial=3)


def test_first_document_has_rev_one_and_lists_its_bundle() -> None:
    channel = next_channel(None, "stable", OLD)

    assert (channel.rev, channel.bundle, channel.base, channel.percent) == (1, OLD.id, None, 100)
    assert channel.listed == {OLD.id: 1}


def test_others_keep_what_all_ran_before() -> None:
    before = next_channel(None, "stable", OLD)

    channel = next_channel(before, "stable", NEW, percent=20)

    assert (channel.rev, channel.bundle, channel.base, channel.percent) == (2, NEW.id, OLD.id, 20)
    assert channel.listed == {OLD.id: 1, NEW.id: 2}


def test_wave_grows_over_the_same_base_with_the_same_first_devices() -> None:
    before = next_channel(next_channel(None, "stable", OLD), "stable", NEW, percent=20)

    channel = next_channel(before, "stable", NEW, percent=60)

    assert (channel.base, channel.seed) == (OLD.id, before.seed)


def test_same_content_keeps_its_rev() -> None:
    before = next_channel(None, "stable", OLD)

    assert next_channel(before, "stable", OLD) is before


def test_going_back_lists_the_older_bundle() -> None:
    before = next_channel(None, "stable", NEW)

    channel = next_channel(before, "stable", OLD)

    assert (channel.bundle, channel.listed) == (OLD.id, {OLD.id: 1})


def test_explicit_base_and_more_bundles_are_listed() -> None:
    channel = next_channel(None, "stable", THIRD, base=OLD, also=[NEW], percent=10)

    assert channel.listed == {OLD.id: 1, NEW.id: 2, THIRD.id: 3}


def test_lowest_serial_stays_until_it_is_changed_and_is_obeyed() -> None:
    before = next_channel(None, "stable", NEW, min_serial=2)

    assert next_channel(before, "stable", THIRD).min_serial == 2
    with pytest.raises(ChannelError, match="serial of at least 2"):
        next_channel(before, "stable", OLD)

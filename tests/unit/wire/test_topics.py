"""Topic names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_models.errors import FieldError
from edge_models.wire import CHANNELS, Address, CommandVerb, DeviceId, Topics, device_id, discovery_topic
from edge_models.wire.topics import KINDS, discovery_status_topic
from edge_models.wire.values import DEVICE_ID

TOPICS = Topics()
ids = st.from_regex(DEVICE_ID, fullmatch=True).filter(lambda text: text not in {"group", "all"})


@given(ids, st.sampled_from(KINDS))
def test_parse_finds_what_a_topic_was_built_from(owner: str, kind: str) -> None:
    assert TOPICS.parse(TOPICS.of(owner, kind)) == Address(DeviceId(owner), kind)


@given(ids)
def test_parse_finds_the_group_of_a_group_topic(group: str) -> None:
    assert TOPICS.parse(TOPICS.group_desired(group)) == Address(DeviceId(group), "group/desired")


@given(st.text(max_size=40) | st.lists(st.sampled_from(["driftline", "group", "pi", "cmd", "state", ""])).map("/".join))
def test_parse_refuses_or_returns_a_topic_of_the_contract(topic: str) -> None:
    try:
        owner, kind = TOPICS.parse(topic)
    except FieldError:
        return

    assert topic in {f"driftline/{owner}/{kind}", f"driftline/group/{owner}/desired"}


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "driftline",
        "driftline/pi7",
        "driftline/pi7/",
        "driftline/pi7/state/",
        "driftline//state",
        "driftline/PI7/state",
        "driftline/+/state",
        "driftline/all/state",
        "driftline/group/state",
        "driftline/group/all/desired",
        "driftline/pi7/cmd/reboot",
        "driftline/pi7/cmd/+",
        "other/pi7/state",
        "driftline2/pi7/state",
        "driftline/pi7/group/desired",
        f"driftline/{'a' * 41}/state",
        "driftline/pi7\n/state",
    ],
)
def test_foreign_topic_is_refused(topic: str) -> None:
    with pytest.raises(FieldError):
        TOPICS.parse(topic)


@pytest.mark.parametrize("text", ["group", "all", "", "Pi", "a/b", "a+", "a#", "a b", "ä", "a" * 41, "pi\n"])
def test_id_that_does_not_fit_into_a_topic_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match="1 to 40 of a-z"):
        device_id(text)


def test_every_channel_of_the_base_has_its_topic() -> None:
    for channel in CHANNELS:
        if channel.name in KINDS:
            expected = channel.template.format(base="driftline", id="pi7")
            assert TOPICS.of("pi7", channel.name) == expected


def test_named_topics_are_those_of_the_registry() -> None:
    topics = Topics("site/edge")
    named = [
        topics.status,
        topics.meta,
        topics.state,
        topics.stats,
        topics.drift,
        topics.event,
        topics.prediction,
        topics.sample,
        topics.model_update,
        topics.model_state,
        topics.model_request,
        topics.file_get,
        topics.file_block,
        topics.desired,
        topics.feedback,
    ]

    built = {topic("pi7") for topic in named}
    built |= {topics.command("pi7", verb) for verb in CommandVerb} | {topics.reply("pi7", verb) for verb in CommandVerb}

    assert built == {topics.of("pi7", kind) for kind in KINDS}


def test_wildcards_make_filters() -> None:
    assert TOPICS.state("+") == "driftline/+/state"
    assert TOPICS.command("pi7", "+") == "driftline/pi7/cmd/+"
    assert TOPICS.reply("+", "+") == "driftline/+/reply/+"


def test_unknown_kind_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="no kind 'stat'"):
        TOPICS.of("pi7", "stat")


@pytest.mark.parametrize("base", ["", "/", "a/", "/a", "a//b", "a/+", "#", "a b", "a/b/c/d/e"])
def test_base_that_is_no_topic_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="base topic"):
        Topics(base)


def test_home_assistants_topics() -> None:
    assert discovery_topic("pi7") == "homeassistant/device/pi7/config"
    assert discovery_status_topic(prefix="ha") == "ha/status"

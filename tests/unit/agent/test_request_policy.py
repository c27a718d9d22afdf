"""When drift is real enough to ask, and when the asking ends."""

from __future__ import annotations

import itertools

import pytest

from agent.core.request_policy import (
    CloseRequest,
    OpenRequest,
    PolicyOutput,
    PolicySettings,
    RequestPolicy,
    StateChanged,
    WindowFacts,
    threshold,
)
from edge_models.wire.telemetry import DriftState
from edge_models.wire.update import RequestReason

N = 200


class Episode:
    """A policy fed with windows of a given effect, one after the other."""

    def __init__(self, *, cooldown_s: float = 3600.0, confirm_windows: int = 2) -> None:
        ids = itertools.count(1)
        settings = PolicySettings(cooldown_s=cooldown_s, confirm_windows=confirm_windows)
        self.policy = RequestPolicy(settings, lambda: f"q{next(ids)}")
        self.position = 0
        self.now_s = 0.0

    def windows(self, *effects: float, n: int = N) -> list[PolicyOutput]:
        outputs: list[PolicyOutput] = []
        for effect in effects:
            window = WindowFacts(
                start=self.position, position=self.position + n - 1, n=n, effects={"mean": effect, "std": 0.01}
            )
            outputs += self.policy.on_window(window, self.now_s)
            self.position += n
            self.now_s += 10.0
        return outputs

    def alarm(self) -> list[PolicyOutput]:
        return self.policy.on_alarm(position=self.position - 1, signal="std", detector="adwin")


def states(outputs: list[PolicyOutput]) -> list[DriftState]:
    return [output.state for output in outputs if isinstance(output, StateChanged)]


def requests(outputs: list[PolicyOutput]) -> list[OpenRequest]:
    return [output for output in outputs if isinstance(output, OpenRequest)]


def test_alarm_makes_it_suspect_and_two_windows_confirm_and_ask() -> None:
    episode = Episode()
    episode.windows(0.05)

    assert states(episode.alarm()) == [DriftState.SUSPECT]
    assert episode.windows(0.5) == []
    outputs = episode.windows(0.6)

    assert states(outputs) == [DriftState.CONFIRMED, DriftState.REQUESTED]
    (request,) = requests(outputs)
    assert (request.id, request.reason, request.signal, request.severity) == ("q1", RequestReason.DRIFT, "mean", 0.6)


def test_window_that_began_before_the_alarm_does_not_count() -> None:
    episode = Episode()
    episode.policy.on_alarm(position=100, signal="mean", detector="adwin")

    assert episode.windows(0.5, 0.5) == []  # the first one starts at frame 0
    assert requests(episode.windows(0.5))


def test_false_alarm_ends_after_calm_windows() -> None:
    episode = Episode()
    episode.alarm()

    assert states(episode.windows(0.05, 0.05, 0.05)) == [DriftState.OK]


def test_windows_must_be_over_the_threshold_in_a_row() -> None:
    episode = Episode()
    episode.alarm()

    assert requests(episode.windows(0.5, 0.05, 0.5)) == []
    assert requests(episode.windows(0.5))


def test_device_that_differs_from_the_start_is_noticed_without_an_alarm() -> None:
    episode = Episode()

    outputs = episode.windows(0.5, 0.5, 0.5, 0.5)

    assert states(outputs) == [DriftState.SUSPECT]
    assert requests(episode.windows(0.5, 0.5))


def test_healthy_device_never_asks() -> None:
    episode = Episode()

    assert episode.windows(*[0.12] * 200) == []


def test_request_keeps_its_id_for_the_whole_episode() -> None:
    episode = Episode()
    episode.alarm()
    episode.windows(0.5, 0.5)

    episode.alarm()
    assert episode.windows(*[0.5] * 10) == []
    assert episode.policy.request == "q1"


def test_recovery_closes_the_request() -> None:
    episode = Episode()
    episode.alarm()
    episode.windows(0.5, 0.5)

    outputs = episode.windows(0.02, 0.02)

    assert outputs[0] == CloseRequest(id="q1", why="recovered")
    assert states(outputs) == [DriftState.RECOVERED]


def test_half_way_back_is_no_recovery() -> None:
    episode = Episode()
    episode.alarm()
    episode.windows(0.5, 0.5)

    assert episode.windows(*[threshold(N, 2) * 0.6] * 5) == []


def test_recovered_device_is_ok_again_after_a_while() -> None:
    episode = Episode()
    episode.alarm()
    episode.windows(0.5, 0.5, 0.02, 0.02)

    assert states(episode.windows(0.02, 0.02, 0.02)) == [DriftState.OK]


def test_second_episode_waits_for_the_cool_down() -> None:
    episode = Episode(cooldown_s=1000.0)
    episode.alarm()
    episode.windows(0.5, 0.5, 0.02, 0.02)
    episode.alarm()

    assert states(episode.windows(0.5, 0.5)) == [DriftState.CONFIRMED]
    episode.now_s = 2000.0

    assert [request.id for request in requests(episode.windows(0.5))] == ["q2"]


def test_commit_closes_the_episode() -> None:
    episode = Episode()
    episode.alarm()
    episode.windows(0.5, 0.5)

    assert episode.policy.on_commit(999) == [
        CloseRequest(id="q1", why="committed"),
        StateChanged(state=DriftState.OK, position=999),
    ]


def test_answer_closes_the_request_but_not_the_episode() -> None:
    episode = Episode()
    episode.alarm()
    episode.windows(0.5, 0.5)

    assert episode.policy.on_answer("another") == []
    assert episode.policy.on_answer("q1") == [CloseRequest(id="q1", why="answered")]
    assert episode.policy.state is DriftState.REQUESTED


def test_answer_that_was_no_good_allows_another_request() -> None:
    episode = Episode(cooldown_s=0.0)
    episode.alarm()
    episode.windows(0.5, 0.5)
    episode.policy.on_answer("q1")

    episode.policy.on_answer_failed()

    assert [request.id for request in requests(episode.windows(0.5))] == ["q2"]


def test_dismissed_request_is_closed() -> None:
    episode = Episode()
    episode.alarm()
    episode.windows(0.5, 0.5)

    assert CloseRequest(id="q1", why="dismissed") in episode.policy.dismiss(10)


def test_rebaseline_makes_the_present_input_the_reference() -> None:
    episode = Episode(cooldown_s=0.0)
    episode.policy.rebaseline(0)
    episode.windows(0.4, 0.42)

    assert episode.windows(*[0.45] * 10) == []
    episode.alarm()
    assert requests(episode.windows(0.8, 0.8))


def test_cured_device_takes_its_present_input_as_normal() -> None:
    episode = Episode(cooldown_s=0.0)
    episode.alarm()
    episode.windows(0.5, 0.5)
    episode.policy.on_answer("q1")
    episode.policy.on_commit(999)

    assert episode.policy.is_learning
    assert episode.windows(*[0.5] * 12) == []
    assert episode.policy.state is DriftState.OK
    episode.alarm()
    assert requests(episode.windows(0.9, 0.9))


def test_commit_that_answers_nothing_keeps_the_profile_as_reference() -> None:
    episode = Episode(cooldown_s=0.0)
    episode.policy.on_commit(0)

    assert not episode.policy.is_learning
    assert requests(episode.windows(*[0.5] * 6))


def test_learning_goes_on_after_a_restart() -> None:
    episode = Episode(cooldown_s=0.0)
    episode.policy.restore(DriftState.OK, None, is_learning=True)

    assert episode.windows(*[0.5] * 12) == []


def test_restart_between_answer_and_commit_does_not_forget_the_answer() -> None:
    episode = Episode(cooldown_s=0.0)
    episode.policy.restore(DriftState.REQUESTED, None)
    episode.policy.on_commit(0)

    assert episode.policy.is_learning


def test_open_request_survives_a_restart() -> None:
    episode = Episode()
    episode.policy.restore(DriftState.REQUESTED, "q-old")

    assert episode.windows(0.5, 0.5) == []
    assert episode.windows(0.01, 0.01)[0] == CloseRequest(id="q-old", why="recovered")


@pytest.mark.parametrize("n", [0, 10, 49])
def test_too_few_frames_say_nothing(n: int) -> None:
    episode = Episode()
    episode.alarm()

    assert episode.windows(0.9, 0.9, 0.9, n=n) == []


def test_more_signals_need_a_larger_effect() -> None:
    assert threshold(N, 1) < threshold(N, 4) < threshold(N, 16)

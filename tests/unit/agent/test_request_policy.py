"""When drift is real enough to ask, and when the asking ends."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest

from agent import ipc
from agent.core.fingerprint import MAX_ASKED, MAX_BENIGN
from agent.core.records import Now
from agent.core.request_outputs import CloseRequest, OpenRequest, PolicyOutput, PolicySettings, StateChanged
from agent.core.request_policy import RequestPolicy
from agent.core.request_record import RequestRecord
from agent.core.request_table import Sign
from agent.core.severity import threshold
from edge_models.fields import canonical_json, decode_json
from edge_models.wire.telemetry import DriftState
from edge_models.wire.update import RequestReason

N = 200
DAY_S = 86400.0
CALM_SHIFT = {"mean": 0.02, "std": -0.03, "sharp": 0.01}
DARKER = {"mean": -0.8, "std": -0.3, "sharp": 0.1}
BLURRED = {"mean": 0.05, "std": -0.1, "sharp": -0.9}


class Episode:
    """A policy fed with verdicts of a given effect, one after the other."""

    def __init__(self, *, cooldown_s: float = 3600.0, confirm_verdicts: int = 2, utc: bool = True) -> None:
        ids = itertools.count(1)
        settings = PolicySettings(cooldown_s=cooldown_s, confirm_verdicts=confirm_verdicts)
        self.policy = RequestPolicy(settings, lambda: f"q{next(ids)}")
        self.position, self.now_s, self.utc, self.booted_s = 0, 0.0, utc, 0.0

    @property
    def now(self) -> Now:
        return Now(monotonic_s=self.now_s - self.booted_s, utc_s=1e9 + self.now_s if self.utc else None)

    def verdicts(
        self,
        *effects: float,
        n: int = N,
        shift: dict[str, float] | None = None,
        seconds: float = 10.0,
        **changes: object,
    ) -> list[PolicyOutput]:
        outputs: list[PolicyOutput] = []
        for effect in effects:
            verdict = ipc.Verdict(
                start=self.position,
                position=self.position + n - 1,
                n=n,
                n_effective=n,
                profile="0123456789abcdef",
                effects={"mean": effect, "std": 0.01},
                signature=shift or (DARKER if effect > 0.2 else CALM_SHIFT),
            )
            outputs += self.policy.on_verdict(replace(verdict, **changes), self.now)  # type: ignore[arg-type]
            self.position += n
            self.now_s += seconds
        return outputs

    def alarm(self, detector: str = "e_bank") -> list[PolicyOutput]:
        alarm = ipc.Alarm(position=max(0, self.position - 1), signal="std", detector=detector)
        self.position += 1
        return self.policy.on_alarm(alarm, self.now)

    def drift(self, effect: float = 0.5, **changes: object) -> list[PolicyOutput]:
        return [*self.alarm(), *self.verdicts(effect, effect, **changes)]  # type: ignore[arg-type]

    def calm(self) -> None:
        self.verdicts(*[0.02] * 5)

    def restart(self, *, off_s: float = 0.0, utc: bool = True) -> Episode:
        """The same after a power cut: what is on disk, and frames that are counted from 0."""
        kept = decode_json(RequestRecord, canonical_json(self.policy.kept(None)), max_bytes=1 << 16)
        after = Episode(cooldown_s=self.policy.settings.cooldown_s, utc=utc)
        after.policy.new_id = self.policy.new_id
        after.now_s = after.booted_s = self.now_s + off_s
        after.policy.restore(kept, after.now)
        return after


def states(outputs: list[PolicyOutput]) -> list[DriftState]:
    return [output.state for output in outputs if isinstance(output, StateChanged)]


def requests(outputs: list[PolicyOutput]) -> list[str]:
    return [output.id for output in outputs if isinstance(output, OpenRequest)]


def closed(outputs: list[PolicyOutput]) -> list[str]:
    return [output.why for output in outputs if isinstance(output, CloseRequest)]


def test_alarm_makes_it_suspect_and_two_verdicts_confirm_and_ask() -> None:
    episode = Episode()
    episode.verdicts(0.05)

    assert states(episode.alarm()) == [DriftState.SUSPECT]
    assert episode.verdicts(0.5) == []
    outputs = episode.verdicts(0.6)

    assert states(outputs) == [DriftState.CONFIRMED, DriftState.REQUESTED]
    (request,) = [output for output in outputs if isinstance(output, OpenRequest)]
    assert (request.id, request.reason, request.signal, request.severity) == ("q1", RequestReason.DRIFT, "mean", 0.6)


def test_verdict_that_began_before_the_alarm_does_not_count() -> None:
    episode = Episode()
    episode.policy.on_alarm(ipc.Alarm(position=100, signal="mean", detector="e_bank"), episode.now)

    assert episode.verdicts(0.5, 0.5) == []  # the first one starts at frame 0
    assert requests(episode.verdicts(0.5))


def test_false_alarm_ends_after_calm_verdicts() -> None:
    episode = Episode()
    episode.alarm()

    assert states(episode.verdicts(0.05, 0.05, 0.05)) == [DriftState.OK]


def test_suspicion_stays_while_alarms_go_on() -> None:
    episode = Episode()
    episode.alarm()

    for _ in range(10):
        assert episode.verdicts(0.05, 0.05) == []
        assert episode.alarm() == []
    assert episode.policy.state is DriftState.SUSPECT


def test_verdicts_must_be_over_the_limit_in_a_row() -> None:
    episode = Episode()
    episode.alarm()

    assert requests(episode.verdicts(0.5, 0.05, 0.5)) == []
    assert requests(episode.verdicts(0.5))


def test_device_that_differs_from_the_start_is_noticed_without_an_alarm() -> None:
    episode = Episode()

    outputs = episode.verdicts(0.5, 0.5, 0.5, 0.5)

    assert states(outputs) == [DriftState.SUSPECT]
    confirmed = episode.verdicts(0.5, 0.5)
    assert requests(confirmed)
    assert next(change.detector for change in confirmed if isinstance(change, StateChanged)) == "arrival"
    assert episode.policy.record.on_arrival


def test_device_that_matched_once_has_not_arrived_different() -> None:
    episode = Episode()
    episode.calm()

    episode.drift()

    assert not episode.policy.record.on_arrival
    assert episode.policy.record.detector == "e_bank"


def test_healthy_device_never_asks() -> None:
    assert Episode().verdicts(*[0.12] * 200) == []


def test_request_keeps_its_id_for_the_whole_episode() -> None:
    episode = Episode()
    episode.drift()

    episode.alarm()
    assert episode.verdicts(*[0.5] * 10) == []
    assert episode.policy.request == "q1"


def test_recovery_closes_the_request() -> None:
    episode = Episode()
    episode.drift()

    outputs = episode.verdicts(0.02, 0.02)

    assert outputs[0] == CloseRequest(id="q1", why="recovered")
    assert states(outputs) == [DriftState.RECOVERED]


def test_half_way_back_is_no_recovery() -> None:
    episode = Episode()
    episode.drift()

    assert episode.verdicts(*[threshold(N, 2) * 0.6] * 5) == []


def test_recovered_device_is_ok_again_after_a_while() -> None:
    episode = Episode()
    episode.drift()
    episode.verdicts(0.02, 0.02)

    assert states(episode.verdicts(0.02, 0.02, 0.02)) == [DriftState.OK]


def test_second_episode_waits_for_the_cool_down() -> None:
    episode = Episode(cooldown_s=1000.0)
    episode.drift()
    episode.calm()

    assert states(episode.drift(shift=BLURRED)) == [DriftState.SUSPECT, DriftState.CONFIRMED]
    assert episode.policy.waits_for == "cooldown"
    episode.now_s = 2000.0

    assert requests(episode.verdicts(0.5, shift=BLURRED)) == ["q2"]


def test_cool_down_doubles_with_every_request_until_a_commit() -> None:
    episode = Episode(cooldown_s=1000.0)
    lengths = []
    for _ in range(3):
        episode.drift()
        lengths.append(episode.policy.record.pause.length_s)
        episode.policy.on_answer(episode.policy.request or "", 0, episode.now)
        episode.policy.on_answer_failed(0, episode.now)
        episode.now_s += 1e6
    episode.policy.on_commit(episode.position, episode.now)
    episode.position += 1
    episode.drift()

    assert lengths == [1000.0, 2000.0, 4000.0]
    assert episode.policy.record.pause.length_s == 1000.0


def test_commit_closes_the_episode() -> None:
    episode = Episode()
    episode.drift()

    assert episode.policy.on_commit(999, episode.now) == [
        CloseRequest(id="q1", why="committed"),
        StateChanged(state=DriftState.OK, sign=Sign.COMMITTED, position=999),
    ]


def test_answer_closes_the_request_but_not_the_episode() -> None:
    episode = Episode()
    episode.drift()

    assert episode.policy.on_answer("another", 0, episode.now) == []
    assert episode.policy.on_answer("q1", 0, episode.now) == [CloseRequest(id="q1", why="answered")]
    assert episode.policy.state is DriftState.REQUESTED


def test_answer_that_was_no_good_allows_another_request() -> None:
    episode = Episode(cooldown_s=0.0)
    episode.drift()
    episode.policy.on_answer("q1", 0, episode.now)

    episode.policy.on_answer_failed(0, episode.now)

    assert requests(episode.verdicts(0.5)) == ["q2"]


def test_dismissed_request_is_closed_and_its_drift_waits_twice_as_long() -> None:
    episode = Episode(cooldown_s=1000.0)
    episode.drift()

    assert closed(episode.policy.dismiss(10, episode.now)) == ["dismissed"]
    episode.now_s += 1500.0  # the cool-down is over
    assert requests(episode.drift()) == []
    assert episode.policy.waits_for == "known"
    episode.now_s += 1000.0
    assert requests(episode.verdicts(0.5)) == ["q2"]


class TestCommissioning:
    """Alarms are raised at once, requests wait."""

    def test_request_waits_for_its_end(self) -> None:
        episode = Episode()

        assert states(episode.drift(commissioned=False)) == [DriftState.SUSPECT, DriftState.CONFIRMED]
        assert episode.policy.waits_for == "commissioning"
        assert requests(episode.verdicts(0.5, commissioned=True)) == ["q1"]

    def test_drift_that_has_gone_by_then_is_not_asked_about(self) -> None:
        episode = Episode()
        episode.drift(commissioned=False)

        assert requests(episode.verdicts(0.02, 0.02, 0.02, 0.02, commissioned=True)) == []


class TestFaults:
    """A broken sensor is reported and needs no model."""

    def test_stuck_camera_leads_to_no_request(self) -> None:
        episode = Episode()

        assert requests(episode.drift(faults={"repeated": 150})) == []
        assert episode.policy.waits_for == "faults"

    def test_values_out_of_range_may_well_be_drift(self) -> None:
        assert requests(Episode().drift(faults={"out_of_range": 200}))


class TestClasses:
    """A change of the classes alone needs more frames than one of the signals."""

    def test_tripled_class_confirms_at_a_thousand_frames_only(self) -> None:
        episode = Episode()
        episode.alarm("class_prior")

        few = episode.verdicts(0.05, 0.05, 0.05, 0.05, class_effect=0.23, class_n=800, class_count=10)
        enough = episode.verdicts(0.05, 0.05, class_effect=0.23, class_n=1000, class_count=10)

        assert few == []
        assert requests(enough) == ["q1"]

    def test_usual_classes_end_the_suspicion(self) -> None:
        episode = Episode()
        episode.alarm("class_prior")

        assert states(episode.verdicts(0.05, 0.05, 0.05, class_effect=0.08, class_n=200)) == [DriftState.OK]

    def test_recovery_waits_until_the_classes_are_usual_again(self) -> None:
        episode = Episode()
        changed = {"class_effect": 0.3, "class_n": 1000, "class_count": 10}
        episode.drift(0.05, **changed)

        assert episode.verdicts(0.02, 0.02, 0.02, **changed) == []  # type: ignore[arg-type]
        assert closed(episode.verdicts(0.02, 0.02, class_effect=0.04, class_n=1000, class_count=10)) == ["recovered"]


def test_labels_alone_confirm_what_no_signal_shows() -> None:
    episode = Episode()
    episode.alarm("error_rate")

    outputs = episode.verdicts(0.05, 0.05, accuracy_reference=0.93, labelled=200, labelled_accuracy=0.6)

    assert requests(outputs) == ["q1"]
    assert [output.signal for output in outputs if isinstance(output, OpenRequest)] == ["labels"]


class TestKnownDrifts:
    """Drifts that come and go."""

    def night(self, episode: Episode) -> list[PolicyOutput]:
        """Twelve hours of night and twelve of day, a verdict in half an hour."""
        dark = [*episode.alarm(), *episode.verdicts(*[0.5] * 24, seconds=1800.0)]
        return [*dark, *episode.verdicts(*[0.03] * 24, seconds=1800.0)]

    def test_seven_nights_lead_to_one_request(self) -> None:
        episode = Episode(cooldown_s=DAY_S)

        asked = [request for _ in range(7) for request in requests(self.night(episode))]

        assert asked == ["q1"]
        assert episode.policy.state is DriftState.OK

    def test_seven_nights_called_benign_lead_to_none(self) -> None:
        episode = Episode(cooldown_s=DAY_S)
        episode.drift(commissioned=False)
        assert episode.policy.can_be_named
        episode.policy.call_benign("night", episode.position, episode.now)

        assert requests([output for _ in range(7) for output in self.night(episode)]) == []

    def test_strong_drift_of_many_signals_is_known_again(self) -> None:
        episode = Episode(cooldown_s=DAY_S)
        rng = random.Random(3)

        def strong() -> dict[str, float]:
            return {f"signal_{number}": (-1) ** number * rng.uniform(0.9, 0.97) for number in range(30)}

        episode.drift(shift=strong(), commissioned=False)
        episode.policy.call_benign("night", episode.position, episode.now)
        episode.calm()

        assert requests(episode.drift(shift=strong())) == []

    def test_something_else_is_asked_about_even_so(self) -> None:
        episode = Episode(cooldown_s=DAY_S)
        episode.drift(commissioned=False)
        episode.policy.call_benign("night", episode.position, episode.now)
        episode.calm()

        assert requests(episode.drift(shift=BLURRED)) == ["q1"]

    def test_far_darker_night_is_not_covered(self) -> None:
        episode = Episode(cooldown_s=0.0)
        dusk = {name: value / 4 for name, value in DARKER.items()}
        episode.drift(shift=dusk, commissioned=False)
        episode.policy.call_benign("dusk", episode.position, episode.now)
        episode.calm()

        assert requests(episode.drift(shift=dusk)) == []
        episode.calm()
        assert requests(episode.drift(shift=DARKER)) == ["q1"]

    def test_calling_it_benign_closes_the_request_but_not_the_eyes(self) -> None:
        episode = Episode()
        episode.drift()

        outputs = episode.policy.call_benign("night", episode.position, episode.now)

        assert closed(outputs) == ["benign"]
        assert episode.policy.state is DriftState.CONFIRMED
        assert episode.verdicts(0.5, 0.5) == []
        assert episode.policy.waits_for == "benign"

    def test_benign_drift_survives_a_commit_and_can_be_taken_back(self) -> None:
        episode = Episode(cooldown_s=0.0)
        episode.drift()
        episode.policy.call_benign("night", episode.position, episode.now)
        episode.policy.on_commit(episode.position, episode.now)
        episode.position += 1

        assert requests(episode.drift()) == []
        assert episode.policy.forget("night")
        assert not episode.policy.forget("night")
        assert requests(episode.verdicts(0.5)) == ["q2"]

    def test_without_a_drift_nothing_can_be_named(self) -> None:
        episode = Episode()
        episode.calm()

        assert not episode.policy.can_be_named

    def test_only_so_many_are_kept(self) -> None:
        episode = Episode(cooldown_s=1.0)
        for number in range(9):
            shift = {f"s{number}": 0.9}
            episode.drift(shift=shift)
            episode.policy.call_benign(f"benign-{number}", episode.position, episode.now)
            episode.drift(shift={f"t{number}": 0.9})
            episode.policy.dismiss(episode.position, episode.now)
            episode.now_s += 1e6

        kept = episode.policy.record.fingerprints
        assert sum(each.benign for each in kept) <= MAX_BENIGN
        assert sum(not each.benign for each in kept) <= MAX_ASKED


class TestLearning:
    """What the worker learns as a context does not count meanwhile."""

    def test_cured_device_takes_its_present_input_as_normal(self) -> None:
        episode = Episode(cooldown_s=0.0)
        episode.drift()
        episode.policy.on_answer("q1", 0, episode.now)
        episode.policy.on_commit(episode.position, episode.now)
        episode.position += 1

        assert episode.policy.record.learning == "answered"
        assert episode.verdicts(*[0.5] * 12, is_learning=True) == []
        episode.policy.on_learnt()
        assert episode.policy.state is DriftState.OK
        episode.alarm()
        assert requests(episode.verdicts(0.9, 0.9))

    def test_commit_that_answers_nothing_keeps_the_profile_as_reference(self) -> None:
        episode = Episode(cooldown_s=0.0)
        episode.policy.on_commit(0, episode.now)
        episode.position = 1

        assert episode.policy.record.learning is None
        assert requests(episode.verdicts(*[0.5] * 6))

    def test_rebaseline_has_a_name(self) -> None:
        episode = Episode()
        episode.drift()

        assert closed(episode.policy.rebaseline(episode.position, episode.now, name="winter")) == ["rebaselined"]
        assert episode.policy.record.learning == "winter"

    def test_verdict_that_was_under_way_at_a_rebaseline_does_not_end_the_learning(self) -> None:
        episode = Episode()
        episode.policy.rebaseline(50, episode.now)

        episode.verdicts(0.5)

        assert episode.policy.record.learning == "rebaselined"

    def test_bundle_without_profile_learns_nothing(self) -> None:
        episode = Episode()
        episode.policy.rebaseline(-1, episode.now)

        episode.policy.on_unmeasured(199, episode.now)

        assert episode.policy.record.learning is None

    def test_worker_that_cannot_learn_is_heard_again(self) -> None:
        episode = Episode()
        episode.policy.rebaseline(-1, episode.now)

        episode.verdicts(0.5)

        assert episode.policy.record.learning is None


class TestRestart:
    """Everything that decides is on disk."""

    def test_open_request_survives(self) -> None:
        episode = Episode()
        kept = replace(RequestRecord(state=DriftState.REQUESTED), policy=episode.policy.record)
        episode.policy.restore(kept, episode.now)
        episode.policy.request = "q-old"

        assert episode.verdicts(0.5, 0.5) == []
        assert episode.verdicts(0.01, 0.01)[0] == CloseRequest(id="q-old", why="recovered")

    def test_suspicion_goes_on_where_it_was(self) -> None:
        episode = Episode()
        episode.alarm()
        episode.verdicts(0.5)

        assert requests(episode.restart().verdicts(0.5)) == ["q1"]

    def test_cool_down_goes_on(self) -> None:
        episode = Episode(cooldown_s=1000.0)
        episode.drift()
        episode.calm()

        again = episode.restart(off_s=500.0)
        assert requests(again.drift(shift=BLURRED)) == []
        again = again.restart(off_s=600.0)
        assert requests(again.verdicts(0.5, shift=BLURRED)) == ["q2"]

    def test_cool_down_begins_anew_where_nobody_knows_the_time(self) -> None:
        episode = Episode(cooldown_s=1000.0, utc=False)
        episode.drift()
        episode.calm()
        again = episode.restart(off_s=0.0, utc=False)
        again.now_s = again.booted_s + 900.0

        assert requests(again.drift(shift=BLURRED)) == []
        again.now_s = again.booted_s + 1001.0
        assert requests(again.verdicts(0.5, shift=BLURRED)) == ["q2"]

    def test_restart_between_answer_and_commit_does_not_forget_the_answer(self) -> None:
        episode = Episode(cooldown_s=0.0)
        episode.policy.restore(RequestRecord(state=DriftState.REQUESTED), episode.now)
        episode.policy.on_commit(0, episode.now)

        assert episode.policy.record.learning == "answered"

    def test_benign_drift_is_known_at_once(self) -> None:
        episode = Episode()
        episode.drift()
        episode.policy.call_benign("night", episode.position, episode.now)

        again = episode.restart()

        assert again.policy.known is not None
        assert again.policy.known.name == "night"

    def test_state_stays_small(self) -> None:
        names = [f"a_longish_signal_name_{number}" for number in range(25)]
        episode = Episode(cooldown_s=1.0)
        for number in range(9):
            shift = {name: (-1) ** at * (0.9 if at % 9 == number else 0.3) for at, name in enumerate(names)}
            episode.drift(shift=shift)
            if number < 6:
                episode.policy.call_benign(f"night-{number}", episode.position, episode.now)
            episode.policy.dismiss(episode.position, episode.now)
            episode.now_s += 1e6

        assert len(episode.policy.record.fingerprints) == MAX_BENIGN + MAX_ASKED
        assert len(canonical_json(episode.policy.kept(None))) <= 1600  # the trigger's state may have 2.5 KB


def test_calm_device_changes_nothing_that_would_have_to_be_stored() -> None:
    episode = Episode()
    episode.calm()
    before = episode.policy.record

    episode.verdicts(*[0.02] * 20)

    assert episode.policy.record == before


@pytest.mark.parametrize("n", [0, 10, 49])
def test_too_few_frames_say_nothing(n: int) -> None:
    episode = Episode()
    episode.alarm()

    assert episode.verdicts(0.9, 0.9, 0.9, n=n) == []


def test_bundle_without_profile_is_calm_when_no_alarm_comes() -> None:
    episode = Episode()
    episode.alarm()

    assert states([output for at in range(3) for output in episode.policy.on_unmeasured(at, episode.now)]) == [
        DriftState.OK
    ]


def test_more_signals_need_a_larger_effect() -> None:
    assert threshold(N, 1) < threshold(N, 4) < threshold(N, 16)

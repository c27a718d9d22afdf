"""What holds of the request policy whatever happens, in whatever order."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import ipc
from agent.core.records import Now
from agent.core.request_outputs import CloseRequest, OpenRequest, PolicyOutput, PolicySettings, StateChanged
from agent.core.request_policy import RequestPolicy
from agent.core.request_record import RequestRecord
from edge_models.fields import canonical_json, decode_json
from edge_models.wire.telemetry import DriftState
from tests.unit.agent.whole_core import Device
from tests.unit.agent.world import running

DAY_S = 86400.0
SHIFTS = {"night": {"mean": -0.8, "std": -0.4}, "blur": {"sharp": -0.9}, "calm": {"mean": 0.01}}
STEP = st.tuples(
    st.sampled_from(["alarm", "over", "over", "near", "calm", "calm", "dismiss", "benign", "rebaseline", "wait"])
    | st.sampled_from(["commit", "answer", "fail", "learning", "held"]),
    st.sampled_from(["night", "blur"]),
)


@dataclass
class Life:
    """A policy, its time and positions, and what it has said."""

    restarts: bool = False
    cooldown_s: float = 3600.0
    said: list[PolicyOutput] = field(default_factory=list)
    now_s: float = 0.0
    position: int = 0

    def __post_init__(self) -> None:
        ids = itertools.count(1)
        self.new_id = lambda: f"q{next(ids)}"
        self.policy = self.fresh()

    @property
    def now(self) -> Now:
        return Now(monotonic_s=self.now_s, utc_s=1e9 + self.now_s)

    def fresh(self) -> RequestPolicy:
        return RequestPolicy(PolicySettings(cooldown_s=self.cooldown_s), self.new_id)

    def restart(self) -> None:
        kept = decode_json(RequestRecord, canonical_json(self.policy.kept(None)), max_bytes=1 << 16)
        request = self.policy.request
        self.policy = self.fresh()
        self.policy.restore(kept, self.now)
        self.policy.request = request  # request.json holds the message, and with it the id
        self.position = 0

    def verdict(self, effect: float, shift: str, **changes: object) -> list[PolicyOutput]:
        verdict = ipc.Verdict(
            start=self.position, position=self.position + 199, n=200, n_effective=200, profile="0" * 16,
            effects={"mean": effect, "sharp": 0.01}, signature=SHIFTS[shift],
        )  # fmt: skip
        self.position += 200
        self.now_s += 600.0
        return self.policy.on_verdict(replace(verdict, **changes), self.now)  # type: ignore[arg-type]

    def step(self, what: str, shift: str) -> list[PolicyOutput]:
        at = self.position
        effects = {"over": 0.5, "near": 0.14, "calm": 0.02, "learning": 0.5, "held": 0.5}
        if what in effects:
            return self.verdict(effects[what], shift, is_learning=what == "learning", commissioned=what != "held")
        self.position += 1
        self.now_s += DAY_S if what == "wait" else 0.0
        policy, now = self.policy, self.now
        moves: dict[str, Callable[[], list[PolicyOutput]]] = {
            "alarm": lambda: policy.on_alarm(ipc.Alarm(position=at, signal="mean", detector="e_bank"), now),
            "dismiss": lambda: policy.dismiss(at, now),
            "benign": lambda: policy.call_benign(shift, at, now) if policy.can_be_named else [],
            "rebaseline": lambda: policy.rebaseline(at, now),
            "commit": lambda: policy.on_commit(at, now),
            "answer": lambda: policy.on_answer(policy.request or "", at, now),
            "fail": lambda: policy.on_answer_failed(at, now),
            "wait": list,
        }
        return moves[what]()

    def live(self, *steps: tuple[str, str]) -> Life:
        for what, shift in steps:
            self.said += self.step(what, shift)
            if self.restarts:
                self.restart()
        return self

    @property
    def story(self) -> list[object]:
        """All but positions, which begin anew with a start."""
        return [replace(output, position=0) if not isinstance(output, CloseRequest) else output for output in self.said]


@given(st.lists(STEP, max_size=60))
@settings(max_examples=150, deadline=None)
def test_at_most_one_request_is_open_and_each_id_is_opened_and_closed_once(steps: list[tuple[str, str]]) -> None:
    opened, closed = list[str](), list[str]()
    for output in Life().live(*steps).said:
        if isinstance(output, OpenRequest):
            assert len(opened) == len(closed)
            opened.append(output.id)
        elif isinstance(output, CloseRequest):
            closed.append(output.id)
            assert opened == closed
    assert len(set(opened)) == len(opened)


@given(st.lists(STEP, max_size=60))
@settings(max_examples=150, deadline=None)
def test_restart_after_every_step_changes_nothing(steps: list[tuple[str, str]]) -> None:
    once, often = Life().live(*steps), Life(restarts=True).live(*steps)

    assert often.story == once.story
    assert often.policy.state is once.policy.state
    assert often.policy.request == once.policy.request


@given(st.lists(STEP, max_size=60))
@settings(max_examples=100, deadline=None)
def test_each_episode_asks_once_and_only_when_confirmed(steps: list[tuple[str, str]]) -> None:
    life = Life(cooldown_s=0.0)
    before, asked_by = DriftState.OK, list[DriftState]()
    for step in steps:
        for output in life.step(*step):
            if isinstance(output, StateChanged):
                asked_by += [before] if output.state is DriftState.REQUESTED else []
                before = output.state

    assert set(asked_by) <= {DriftState.CONFIRMED}


@given(st.lists(STEP, max_size=80))
@settings(max_examples=100, deadline=None)
def test_what_is_kept_stays_small(steps: list[tuple[str, str]]) -> None:
    assert len(canonical_json(Life().live(*steps).policy.kept(None))) <= 2048


@given(st.lists(st.sampled_from(["near", "calm", "wait"]), max_size=60))
@settings(max_examples=50, deadline=None)
def test_without_an_effect_over_the_limit_nothing_is_asked(steps: list[str]) -> None:
    life = Life().live(*[(step, "calm") for step in steps])

    assert not any(isinstance(output, OpenRequest) for output in life.said)


@given(st.lists(st.sampled_from([0.02, 0.14, 0.5, 0.9]), max_size=40))
@settings(max_examples=40, deadline=None)
def test_story_of_an_episode_agrees_with_its_state(effects: list[float]) -> None:
    device = Device(running("a"))
    device.drift()
    device.verdicts(*effects)

    story = device.core.episode.history.record
    assert story is not None
    assert story.state is device.core.episode.policy.state or story.state is DriftState.RECOVERED
    assert all(one.position <= other.position for one, other in itertools.pairwise(story.points))


NIGHT = {"mean": -0.7, "std": -0.3, "conf": -0.2, **{f"pc_{at}": 0.9 * (-1) ** at for at in range(8)}, "sharp": 0.1}


class Week:
    """Seven days of a camera by day and night light, as its verdicts: one in 20 minutes, in noise of 200 frames."""

    PER_DAY = 72

    def __init__(self, seed: int, *, name_after: int | None = None, learn_after: int | None = None) -> None:
        self.rng = random.Random(seed)
        self.life = Life(cooldown_s=DAY_S)
        self.name_after, self.learn_after = name_after, learn_after
        self.asked: list[int] = []  # at which verdict
        self.learnt: int | None = None

    def run(self) -> Week:
        self.life.now_s, was_dark = 0.0, False
        for at in range(7 * self.PER_DAY):
            is_dark = at % self.PER_DAY >= self.PER_DAY // 2
            if is_dark and not was_dark and self.learnt is None:
                self.life.live(("alarm", "night"))
            was_dark = is_dark
            is_dawn = not is_dark and at % self.PER_DAY == 0 and at > 0
            is_known = self.learnt is not None and at > self.learnt + 2
            outputs = self.verdict(0.0 if is_known else 1.0 if is_dark else 0.5 if is_dawn else 0.0, at)
            self.asked += [at for output in outputs if isinstance(output, OpenRequest)]
            self.speak(at)
        return self

    def verdict(self, darkness: float, at: int) -> list[PolicyOutput]:
        noise, rng = abs(self.rng.gauss(0.0, 0.02)), self.rng
        noisy = {name: darkness * move + rng.gauss(0.0, 0.04) for name, move in NIGHT.items()}
        effect = 0.05 + 0.4 * darkness + noise
        is_learning = self.learnt is not None and self.learnt < at <= self.learnt + 2
        outputs = self.life.verdict(effect, "calm", signature=noisy, commissioned=at >= 72, is_learning=is_learning)
        self.life.now_s += DAY_S / self.PER_DAY - 600.0
        return outputs

    def speak(self, at: int) -> None:
        life = self.life
        if at == self.name_after:
            life.policy.call_benign("night", life.position - 1, life.now)
        elif at == self.learn_after:
            life.policy.rebaseline(life.position - 1, life.now, name="night")
            self.learnt = at


@pytest.mark.parametrize("seed", range(8))
def test_week_of_days_and_nights_asks_at_most_once(seed: int) -> None:
    assert len(Week(seed).run().asked) == 1


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("night", [0, 1, 2])
def test_night_that_is_called_benign_asks_no_more(seed: int, night: int) -> None:
    said_at = night * Week.PER_DAY + 50

    assert not [at for at in Week(seed, name_after=said_at).run().asked if at > said_at]


@pytest.mark.parametrize("seed", range(4))
def test_night_that_was_learnt_as_a_context_asks_no_more(seed: int) -> None:
    said_at = Week.PER_DAY + 50

    assert not [at for at in Week(seed, learn_after=said_at).run().asked if at > said_at]

"""The runner against a real database and a registry of channels, with a clock that stands still."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from deploy.config import FleetConfig, RolloutConfig
from deploy.errors import DeployError
from deploy.fleet import desired, requests, rollouts
from deploy.fleet.database import FleetDatabase
from deploy.fleet.ingest import Ingest
from deploy.fleet.models import Job, Rollout
from deploy.fleet.states import JobState, RolloutState
from deploy.rollout.runner import RolloutRunner
from edge_models.channel import Channel
from edge_models.manifest import BundleId
from edge_models.wire import DeviceId, ModelState, Topics, UpdatePhase
from edge_models.wire.results import remedy
from tests.unit.deploy import messages
from tests.unit.deploy.fakes import MODEL, FakeClock, FakeRegistry
from tests.unit.deploy.messages import NEW, OLD
from tests.unit.deploy.rollout_stories import state

CONFIG = RolloutConfig(canary=1, wave_timeout_s=60, back_timeout_s=30)


@dataclass
class Site:
    """A fleet whose devices do what the test says."""

    database: FleetDatabase
    registry: FakeRegistry
    clock: FakeClock

    def __post_init__(self) -> None:
        self.runner = RolloutRunner(self.database, self.registry, self.clock)
        self.ingest = Ingest(self.database, Topics(), self.clock)

    def has(self, *devices: str, online: bool = True) -> None:
        for device in devices:
            status = messages.status(device, "online" if online else "offline")
            self.ingest.apply([messages.meta(device), status, messages.model_state(device, idle(OLD))])

    def says(self, device: str, what: ModelState) -> None:
        self.clock.sleep(1)
        self.ingest.apply([messages.model_state(device, what)])
        self.runner.tick()

    def starts(self, bundle: BundleId = NEW, *, canary: int = 1) -> str:
        with self.database.write() as session:
            rollout = rollouts.new_rollout(
                session,
                model=MODEL,
                channel="stable",
                bundle=bundle,
                config=CONFIG,
                canary=canary,
                now_s=self.clock.unix_s(),
            )
        self.runner.tick()
        return rollout.id

    def rollout(self, identity: str) -> Rollout:
        with self.database.read() as session:
            return rollouts.get_rollout(session, identity)

    def told(self) -> dict[str, tuple[str, str | None]]:
        with self.database.read() as session:
            return {
                device: (desired.message(session, device).bundle, desired.message(session, device).rollout)
                for device in desired.revisions(session)
            }


def idle(bundle: BundleId) -> ModelState:
    return state(UpdatePhase.IDLE, bundle)


def done(rollout: str, bundle: BundleId = NEW) -> ModelState:
    return state(UpdatePhase.COMMITTED, bundle, last=(bundle, UpdatePhase.COMMITTED, rollout))


def rejected(rollout: str) -> ModelState:
    return state(UpdatePhase.REJECTED, OLD, last=(NEW, UpdatePhase.REJECTED, rollout), error="no")


@pytest.fixture
def site(database: FleetDatabase, clock: FakeClock) -> Site:
    registry = FakeRegistry()
    registry.add(OLD, 1)
    registry.add(NEW, 2)
    registry.set_first(OLD)
    return Site(database, registry, clock)


def test_a_rollout_goes_from_the_canary_to_everybody(site: Site) -> None:
    site.has("pi-1", "pi-2", "pi-3")

    identity = site.starts()
    assert site.told() == {"pi-1": (NEW, identity)}
    site.says("pi-1", done(identity))
    assert set(site.told()) == {"pi-1", "pi-2", "pi-3"}
    site.says("pi-2", done(identity))
    assert site.rollout(identity).state is RolloutState.REST
    site.says("pi-3", done(identity))

    assert site.rollout(identity).state is RolloutState.COMMITTED
    assert [(one.bundle, sorted(one.listed), one.rev) for one in site.registry.history] == [
        (OLD, [OLD, NEW], 2),
        (NEW, [OLD, NEW], 3),
    ]


def test_the_channel_lists_a_bundle_before_anybody_is_told_of_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.has("pi-1")
    told_then = []
    change = site.registry.change_channel

    def watched(*args: object) -> object:
        told_then.append(site.told())
        return change(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(site.registry, "change_channel", watched)
    site.starts()

    assert told_then == [{}]
    assert set(site.told()) == {"pi-1"}


def test_a_rejected_canary_puts_the_channel_and_everybody_back(site: Site) -> None:
    site.has("pi-1", "pi-2", "pi-3")
    identity = site.starts(canary=2)
    site.says("pi-2", done(identity))

    site.says("pi-1", rejected(identity))

    assert site.rollout(identity).state is RolloutState.ROLLING_BACK
    assert site.told() == {"pi-1": (OLD, identity), "pi-2": (OLD, identity)}
    channel = site.registry.channel(MODEL, "stable")
    assert channel is not None
    assert (channel.bundle, list(channel.listed)) == (OLD, [OLD])

    site.says("pi-2", done(identity, OLD))
    found = site.rollout(identity)
    assert found.state is RolloutState.ROLLED_BACK
    assert found.reason == f"pi-1: rejected {NEW[:12]} (self_test: no; {remedy('self_test')})"


def test_a_silent_canary_puts_everything_back(site: Site) -> None:
    site.has("pi-1", "pi-2")
    identity = site.starts()

    site.clock.sleep(61)
    site.runner.tick()
    site.clock.sleep(31)
    site.runner.tick()

    assert site.rollout(identity).state is RolloutState.ROLLED_BACK
    assert site.told() == {"pi-1": (OLD, identity)}


def test_it_waits_for_a_device_to_come_online(site: Site) -> None:
    site.has("pi-1", online=False)

    identity = site.starts()
    assert site.rollout(identity).state is RolloutState.PENDING
    assert "waits for a device" in site.rollout(identity).reason
    site.has("pi-1")
    site.runner.tick()

    assert site.rollout(identity).state is RolloutState.CANARY


def test_devices_of_another_channel_take_no_part(site: Site) -> None:
    site.has("pi-1")
    site.ingest.apply([messages.meta("pi-2", channel="beta"), messages.status("pi-2")])
    site.ingest.apply([messages.meta("pi-3", model="voices"), messages.status("pi-3")])

    identity = site.starts(canary=3)

    assert set(site.told()) == {"pi-1"}
    site.says("pi-1", done(identity))
    assert site.rollout(identity).state is RolloutState.COMMITTED


def test_a_device_that_has_the_bundle_already_is_not_waited_for(site: Site) -> None:
    site.has("pi-1", "pi-2")
    site.says("pi-2", idle(NEW))
    identity = site.starts()

    site.says("pi-1", done(identity))

    assert site.rollout(identity).state is RolloutState.COMMITTED


def test_a_controller_that_starts_again_goes_on(site: Site) -> None:
    site.has("pi-1", "pi-2")
    identity = site.starts()
    site.ingest.apply([messages.model_state("pi-1", done(identity))])

    again = Site(site.database, site.registry, site.clock)
    again.runner.tick()
    again.says("pi-2", done(identity))

    assert again.rollout(identity).state is RolloutState.COMMITTED


def test_a_crash_between_channel_and_database_does_the_same_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    class PowerCut(BaseException):
        pass

    def cut(*_: object, **__: object) -> None:
        raise PowerCut

    site.has("pi-1")
    with monkeypatch.context() as patched:
        patched.setattr(desired, "tell", cut)
        with pytest.raises(PowerCut):
            site.starts()
    assert site.told() == {}
    with site.database.read() as session:
        identity = rollouts.unfinished(session)[0].id

    Site(site.database, site.registry, site.clock).runner.tick()

    assert site.rollout(identity).state is RolloutState.CANARY
    assert site.told() == {"pi-1": (NEW, identity)}
    assert [one.rev for one in site.registry.history] == [2]


def test_rollouts_of_a_channel_take_turns(site: Site) -> None:
    third = BundleId("d" * 64)
    site.registry.add(third, 3)
    site.has("pi-1")
    first = site.starts()
    site.clock.sleep(1)
    second = site.starts(third)
    assert site.rollout(second).state is RolloutState.PENDING

    site.says("pi-1", done(first))
    site.runner.tick()
    site.says("pi-1", done(second, third))

    assert site.rollout(second).state is RolloutState.COMMITTED
    assert site.rollout(second).base == NEW


@pytest.mark.parametrize(
    ("bundle", "reason"),
    [(OLD, "is what channel digits/stable runs already"), (BundleId("e" * 64), "not published")],
)
def test_a_rollout_that_makes_no_sense_is_refused(site: Site, bundle: BundleId, reason: str) -> None:
    site.has("pi-1")

    identity = site.starts(bundle)

    assert site.rollout(identity).state is RolloutState.REFUSED
    assert reason in site.rollout(identity).reason


def test_a_missing_channel_refuses_the_rollout(site: Site) -> None:
    site.has("pi-1")
    site.registry.present.clear()

    identity = site.starts()

    assert site.rollout(identity).state is RolloutState.REFUSED
    assert "registry channel set stable" in site.rollout(identity).reason


def test_a_registry_in_trouble_holds_the_rollout_up_and_nothing_else(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site.has("pi-1")

    def busy(*_: object) -> None:
        raise DeployError("the registry is locked")

    with monkeypatch.context() as patched:
        patched.setattr(site.registry, "change_channel", busy)
        identity = site.starts()
        site.runner.tick()
        assert site.rollout(identity).state is RolloutState.PENDING
    site.runner.tick()

    assert site.rollout(identity).state is RolloutState.CANARY
    assert caplog.text.count("the registry is locked") == 1


def test_an_operator_can_abort(site: Site) -> None:
    site.has("pi-1", "pi-2")
    identity = site.starts()
    site.says("pi-1", done(identity))
    with site.database.write() as session:
        session.get_one(Rollout, identity).abort = "enough"

    site.runner.tick()
    assert site.rollout(identity).state is RolloutState.ROLLING_BACK
    site.says("pi-1", done(identity, OLD))

    found = site.rollout(identity)
    assert (found.state, found.reason) == (RolloutState.ROLLED_BACK, "enough")


def test_an_abort_that_comes_with_the_last_report_still_counts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.has("pi-1")
    identity = site.starts()
    change = site.registry.change_channel

    def aborted_meanwhile(*args: object) -> object:
        with site.database.write() as session:
            session.get_one(Rollout, identity).abort = "enough"
        return change(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(site.registry, "change_channel", aborted_meanwhile)
        site.says("pi-1", done(identity))
    site.runner.tick()

    assert site.rollout(identity).state is RolloutState.ROLLING_BACK
    assert site.told() == {"pi-1": (OLD, identity)}


def joined(site: Site, rollout: str, device: str) -> None:
    """A device asks while the rollout of a job is under way."""
    with site.database.write() as session:
        now_s = site.clock.unix_s()
        if session.get(Job, "job-1") is None:
            session.add(
                Job(
                    id="job-1",
                    model=MODEL,
                    state=JobState.ROLLING_OUT,
                    settled_at=now_s,
                    bundle=NEW,
                    rollout=rollout,
                    figures={},
                    created_at=now_s,
                    updated_at=now_s,
                )
            )
    site.ingest.apply([messages.meta(device), messages.request(device, f"r-{device}")])
    with site.database.write() as session:
        requests.gather(session, MODEL, FleetConfig(model=MODEL), now_s, is_listed=lambda _: True)
    site.runner.tick()


def test_a_device_that_asks_while_it_is_updated_is_told_that_this_is_the_answer(site: Site) -> None:
    site.has("pi-1")
    identity = site.starts()

    joined(site, identity, "pi-1")

    with site.database.read() as session:
        found = desired.message(session, "pi-1")
    assert (found.bundle, found.answers, found.rev) == (NEW, "r-pi-1", 2)


def test_a_new_device_that_asks_during_a_rollout_takes_part_in_it(site: Site) -> None:
    site.has("pi-1", "pi-2")
    identity = site.starts()

    joined(site, identity, "pi-9")
    assert "pi-9" not in site.told()
    site.says("pi-1", done(identity))
    joined(site, identity, "pi-8")
    assert site.told() == dict.fromkeys(["pi-1", "pi-2", "pi-8", "pi-9"], (NEW, identity))
    with site.database.read() as session:
        assert desired.message(session, "pi-8").answers == "r-pi-8"
    for device in ("pi-2", "pi-8"):
        site.says(device, done(identity))
    assert site.rollout(identity).state is RolloutState.REST
    site.says("pi-9", done(identity))

    assert site.rollout(identity).state is RolloutState.COMMITTED


def test_a_clock_that_is_set_back_hides_no_report(site: Site) -> None:
    site.has("pi-1", "pi-2")
    identity = site.starts()
    site.says("pi-1", done(identity))

    site.clock.now_s -= 3600
    site.says("pi-2", done(identity))

    assert site.rollout(identity).state is RolloutState.COMMITTED


def test_a_share_of_the_devices_is_not_made_all_of_them_by_a_rollout(site: Site) -> None:
    third = BundleId("d" * 64)
    site.registry.add(third, 3)
    site.has("pi-1")
    trial = Channel(model=MODEL, channel="stable", rev=7, bundle=NEW, base=OLD, percent=10, listed={OLD: 1, NEW: 2})
    site.registry.present[MODEL, "stable"] = trial

    identity = site.starts(third)

    assert site.rollout(identity).state is RolloutState.REFUSED
    assert "runs bbbbbbbbbbbb on 10 % of the devices" in site.rollout(identity).reason
    assert site.registry.channel(MODEL, "stable") == trial


def test_a_base_that_must_no_longer_start_holds_the_rollout_up_and_nothing_else(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.has("pi-1", "pi-2")
    identity = site.starts()
    site.registry.present[MODEL, "stable"] = Channel(
        model=MODEL, channel="stable", rev=9, bundle=NEW, min_serial=2, listed={NEW: 2}
    )

    site.says("pi-1", done(identity))

    assert site.rollout(identity).state is RolloutState.CANARY
    assert "--min-serial" in caplog.text


def test_revisions_of_what_a_device_is_told_rise(site: Site) -> None:
    site.has("pi-1")
    identity = site.starts()
    site.says("pi-1", rejected(identity))

    with site.database.read() as session:
        found = desired.message(session, "pi-1")
    assert (found.rev, found.bundle) == (2, OLD)


def test_being_told_the_same_again_is_no_change(database: FleetDatabase, site: Site) -> None:
    site.has("pi-1")
    told = {DeviceId("pi-1"): NEW}
    with database.write() as session:
        assert desired.tell(session, told, rollout="r", answers={}, now_s=1) == ["pi-1"]
        assert desired.tell(session, told, rollout="r", answers={}, now_s=2) == []


def test_the_status_shows_waves_and_outcomes(site: Site) -> None:
    site.has("pi-1", "pi-2", "pi-3")
    identity = site.starts(canary=2)
    site.says("pi-1", done(identity))
    site.says("pi-2", rejected(identity))
    site.says("pi-1", done(identity, OLD))

    with site.database.read() as session:
        shown = rollouts.described(session, rollouts.get_rollout(session, identity))

    assert shown["waves"] == [["pi-1", "pi-2"], ["pi-3"]]
    assert shown["rolled_back"] == ["pi-1"]
    assert shown["devices"]["pi-2"]["outcome"] == "rejected"

"""The retraining worker against a real database, with a converter and a registry of the test."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from deploy.config import FleetConfig, RetrainConfig
from deploy.errors import ConfigError
from deploy.fleet import jobs, requests, rollouts, samples
from deploy.fleet.database import FleetDatabase
from deploy.fleet.ingest import Ingest
from deploy.fleet.models import Bundle, Job, Request
from deploy.fleet.states import JobState, RequestState
from deploy.retrain.converter_process import build_arguments
from deploy.retrain.dataset import is_held
from deploy.retrain.judge import Figures, objections
from deploy.retrain.plan import JobFolder, evidence_json, next_version
from deploy.retrain.ports import BuildOrder
from deploy.retrain.worker import MAX_ATTEMPTS, RetrainWorker
from edge_models.manifest import BundleId
from edge_models.npz import read_npz
from edge_models.wire import Topics
from tests.unit.deploy import messages
from tests.unit.deploy.fakes import MODEL, FakeClock, FakeConverter, FakeRegistry, write_fake_bundle

RETRAIN = RetrainConfig(settle_s=0, min_samples=10, wait_s=600, min_held=3, held_fraction=0.4)


@dataclass
class Shop:
    """A worker, what it works with, and devices that ask and deliver."""

    database: FleetDatabase
    clock: FakeClock
    work_dir: Path
    converter: FakeConverter = field(default_factory=lambda: FakeConverter(held={"1": 0.4, "2": 0.9, "3": 0.9}))
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    retrain: RetrainConfig = RETRAIN

    @property
    def config(self) -> FleetConfig:
        return FleetConfig(model=MODEL, recipe="recipe.yaml", work_dir=str(self.work_dir), retrain=self.retrain)

    def __post_init__(self) -> None:
        first = write_fake_bundle(self.work_dir / "first", serial=1, version="1", accuracy=0.95)
        self.first = self.registry.publish(first.directory)
        self.registry.set_first(self.first)
        self.ingest = Ingest(self.database, Topics(), self.clock)
        self.worker = self.new_worker()

    def new_worker(self, name: str = "worker") -> RetrainWorker:
        return RetrainWorker(self.config, self.database, self.registry, lambda _: self.converter, self.clock, name)

    def asks(self, device: str, identity: str) -> None:
        self.ingest.apply([messages.meta(device), messages.request(device, identity, bundle=self.first)])
        self.gather()

    def gather(self) -> None:
        with self.database.write() as session:
            requests.gather(session, MODEL, self.config, self.clock.unix_s(), is_listed=lambda _: True)
            jobs.end_with_rollouts(session, self.clock.unix_s())

    def delivers(self, device: str, count: int, *, label: str | None = "1") -> None:
        self.ingest.apply([messages.sample(device, number) for number in range(count)])
        if label is not None:
            with self.database.write() as session:
                wanted = {f"{device}:1-{number}": label for number in range(count)}
                samples.label(session, wanted, labelled_by="ann", now_s=self.clock.unix_s())

    def works(self, steps: int = 20) -> None:
        for _ in range(steps):
            if not self.worker.step():
                return

    def job(self, identity: str = "job-1") -> Job:
        with self.database.read() as session:
            return jobs.get_job(session, identity)

    def request(self, identity: str) -> Request:
        with self.database.read() as session:
            return session.get_one(Request, identity)

    def folder(self, identity: str = "job-1") -> JobFolder:
        return JobFolder(self.work_dir / "jobs" / identity)


@pytest.fixture
def shop(database: FleetDatabase, clock: FakeClock, tmp_path: Path) -> Shop:
    return Shop(database, clock, tmp_path / "work")


def test_a_better_bundle_is_published_and_rolled_out(shop: Shop) -> None:
    shop.asks("pi-1", "r-1")
    shop.asks("pi-2", "r-2")
    for device in ("pi-1", "pi-2"):
        shop.delivers(device, 20)

    shop.works()

    job = shop.job()
    assert job.state is JobState.ROLLING_OUT
    assert job.evidence_driven_accuracy == 0.9
    assert job.evidence_blind_accuracy == 0.5
    assert job.figures["held_parent"] == 0.4
    with shop.database.read() as session:
        rollout = rollouts.get_rollout(session, str(job.rollout))
    assert (rollout.bundle, rollout.job) == (job.bundle, "job-1")
    for identity in ("r-1", "r-2"):
        assert shop.request(identity).state is RequestState.ANSWERED
        assert shop.request(identity).bundle_answer == job.bundle


def test_the_converter_gets_evidence_samples_parent_and_what_it_answers(shop: Shop) -> None:
    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)

    shop.works()

    order, blind = shop.converter.orders
    assert (order.recipe, order.serial, order.version, order.answers) == ("recipe.yaml", 2, "2", ("r-1",))
    assert order.parent == shop.registry.bundle_dir(shop.first)
    assert order.samples is not None
    assert order.evidence is not None
    trained = read_npz(order.samples, max_bytes=1 << 20, names=("x", "y", "group"))
    held = read_npz(shop.folder().held, max_bytes=1 << 20, names=("x", "y"))
    assert len(trained["x"]) + len(held["x"]) == 20
    evidence = json.loads(order.evidence.read_bytes())["evidence"]
    assert [(one["request"], one["device"], one["bundle"]) for one in evidence] == [("r-1", "pi-1", shop.first)]
    assert blind.is_blind
    assert blind.keep_model is None


def test_samples_without_a_label_go_to_the_converter_but_for_those_that_would_judge(shop: Shop) -> None:
    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)
    shop.ingest.apply([messages.sample("pi-1", number) for number in range(20, 50)])

    shop.works()

    unlabelled = shop.converter.orders[0].unlabelled
    assert unlabelled is not None
    (x,) = read_npz(unlabelled, max_bytes=1 << 20, names=("x",)).values()
    assert len(x) == sum(not is_held(f"pi-1:1-{number}", RETRAIN.held_fraction) for number in range(20, 50))


def test_without_unlabelled_samples_the_converter_gets_no_file_of_them(shop: Shop) -> None:
    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)

    shop.works()

    assert shop.converter.orders[0].unlabelled is None
    assert "--unlabelled" not in build_arguments(shop.converter.orders[0])


def test_it_waits_for_labels_of_every_device_that_asks(shop: Shop) -> None:
    shop.asks("pi-1", "r-1")
    shop.asks("pi-2", "r-2")
    shop.delivers("pi-1", 20)
    shop.delivers("pi-2", 9)

    shop.works()

    assert shop.job().state is JobState.RUNNING
    assert shop.job().step == "waiting for labels: pi-2 9 of 10"
    assert shop.converter.orders == []
    shop.delivers("pi-2", 10)
    shop.works()
    assert shop.job().state is JobState.ROLLING_OUT


def test_it_goes_on_with_the_labels_that_there_are_when_the_wait_is_over(shop: Shop) -> None:
    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 9)
    shop.works()

    shop.clock.sleep(601)
    shop.works()

    assert shop.job().state is JobState.ROLLING_OUT


def test_too_few_labels_to_judge_with_refuse_the_job(shop: Shop) -> None:
    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20, label=None)
    shop.clock.sleep(601)

    shop.works()

    assert shop.job().state is JobState.REFUSED
    assert "0 labelled samples leave 0 to judge a bundle with, 3 are needed" in shop.job().reason
    assert shop.request("r-1").state is RequestState.REFUSED


def test_a_bundle_that_is_not_better_is_not_published(shop: Shop) -> None:
    shop.converter.held = {"1": 0.9, "2": 0.9}
    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)

    shop.works()

    assert shop.job().state is JobState.REFUSED
    assert "not better than the parent's 90.0 %" in shop.job().reason
    assert len(shop.registry.serials) == 1
    assert shop.request("r-1").state is RequestState.REFUSED
    assert len(shop.converter.orders) == 1  # there is nothing to compare a blind build with


def test_a_bundle_that_forgets_what_the_old_one_knew_is_not_published(shop: Shop) -> None:
    shop.converter.old = 0.93
    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)

    shop.works()

    assert shop.job().state is JobState.REFUSED
    assert "old test set falls from 95.0 % to 93.0 %" in shop.job().reason


def test_the_artifact_that_devices_run_judges_a_bundle(shop: Shop) -> None:
    shop.converter.spiking = {"1": 0.9, "2": 0.9}
    shop.retrain = replace(RETRAIN, artifact="spiking")
    shop.worker = shop.new_worker()
    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)

    shop.works()

    assert shop.job().state is JobState.REFUSED
    assert "not better than the parent's 90.0 %" in shop.job().reason  # tflite-int8 is


def test_a_bundle_without_the_artifact_that_judges_it_fails_the_job(shop: Shop) -> None:
    shop.retrain = replace(RETRAIN, artifact="collapsed")
    shop.worker = shop.new_worker()
    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)

    shop.works()

    assert shop.job().state is JobState.FAILED
    assert "has no artifact collapsed, which retrain.artifact names" in shop.job().reason


def test_a_failing_converter_fails_the_job_with_its_words(shop: Shop) -> None:
    shop.converter.fails = "driftline-convert build ended with code 1: out of memory"
    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)

    shop.works()

    assert shop.job().state is JobState.FAILED
    assert shop.job().reason == shop.converter.fails
    assert shop.request("r-1").state is RequestState.REFUSED


def test_a_request_that_comes_during_training_makes_it_begin_again(shop: Shop) -> None:
    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)

    def another_asks() -> None:
        shop.converter.on_build = lambda: None
        shop.asks("pi-2", "r-2")
        shop.delivers("pi-2", 20)

    shop.converter.on_build = another_asks
    shop.works()

    assert [order.answers for order in shop.converter.orders if not order.is_blind] == [("r-1",), ("r-1", "r-2")]
    assert shop.job().state is JobState.ROLLING_OUT
    assert shop.request("r-2").bundle_answer == shop.job().bundle
    assert len(shop.registry.serials) == 2


def test_requests_without_end_do_not_keep_a_job_from_ending(shop: Shop) -> None:
    shop.asks("pi-0", "r-0")
    shop.delivers("pi-0", 20)
    arrived = iter(range(1, 100))

    def another_asks() -> None:
        number = next(arrived)
        shop.asks(f"pi-{number}", f"r-{number}")
        shop.delivers(f"pi-{number}", 20)

    shop.converter.on_build = another_asks
    shop.works()

    assert shop.job().state is JobState.ROLLING_OUT
    assert len([order for order in shop.converter.orders if not order.is_blind]) == 3
    assert shop.request("r-3").bundle_answer == shop.job().bundle


def test_a_job_without_requests_left_is_cancelled(shop: Shop) -> None:
    shop.asks("pi-1", "r-1")
    shop.works()
    shop.ingest.apply([messages.request_closed("pi-1")])

    shop.works()

    assert shop.job().state is JobState.CANCELLED


def test_a_worker_killed_after_the_build_does_not_build_again(shop: Shop) -> None:
    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)
    shop.converter.on_build = kill
    with pytest.raises(Killed):
        shop.works()

    shop.converter.on_build = lambda: None
    shop.worker = shop.new_worker()
    shop.works()

    assert len([order for order in shop.converter.orders if not order.is_blind]) == 1
    assert shop.job().state is JobState.ROLLING_OUT
    assert shop.job().attempts == 2


def test_a_worker_killed_after_publishing_orders_one_rollout(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)
    with monkeypatch.context() as patched:
        patched.setattr(rollouts, "new_rollout", kill)
        with pytest.raises(Killed):
            shop.works()
    shop.worker = shop.new_worker()
    shop.works()

    assert shop.job().state is JobState.ROLLING_OUT
    assert len(shop.registry.serials) == 2
    with shop.database.read() as session:
        assert [rollout.id for rollout in rollouts.all_rollouts(session)] == ["rollout-job-1"]


def test_a_job_that_kills_its_worker_again_and_again_is_given_up(shop: Shop) -> None:
    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)
    shop.converter.on_start = kill
    for _ in range(MAX_ATTEMPTS):
        shop.worker = shop.new_worker()
        with pytest.raises(Killed):
            shop.worker.step()
    shop.new_worker().step()

    assert shop.job().state is JobState.FAILED
    assert "given up" in shop.job().reason


def test_a_worker_that_is_restarted_while_it_waits_for_labels_gives_nothing_up(shop: Shop) -> None:
    shop.asks("pi-1", "r-1")
    for _ in range(MAX_ATTEMPTS + 1):
        shop.worker = shop.new_worker()
        shop.works()
    shop.delivers("pi-1", 20)

    shop.works()

    assert shop.job().state is JobState.ROLLING_OUT


def test_a_serial_that_is_taken_meanwhile_makes_it_begin_again(shop: Shop) -> None:
    def somebody_publishes() -> None:
        shop.converter.on_build = lambda: None
        other = write_fake_bundle(shop.work_dir / "other", serial=2, version="other", accuracy=0.9)
        shop.registry.publish(other.directory)

    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)
    shop.converter.on_build = somebody_publishes
    shop.works()

    assert shop.job().state is JobState.ROLLING_OUT
    assert shop.registry.serials[BundleId(str(shop.job().bundle))] == 3


def test_what_the_fleet_runs_meanwhile_is_what_has_to_be_improved_on(shop: Shop) -> None:
    def somebody_publishes() -> None:
        shop.converter.on_build = lambda: None
        other = write_fake_bundle(shop.work_dir / "other", serial=2, version="5", accuracy=0.95)
        shop.registry.set_first(shop.registry.publish(other.directory))

    shop.converter.held = {"1": 0.4, "2": 0.9, "5": 0.95, "6": 0.9}
    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)
    shop.converter.on_build = somebody_publishes
    shop.works()

    assert shop.job().state is JobState.REFUSED
    assert "not better than the parent's 95.0 %" in shop.job().reason


def test_samples_of_another_model_train_nothing(shop: Shop) -> None:
    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)
    with shop.database.write() as session:
        session.add(
            Bundle(
                id=messages.OLD,
                model="voices",
                version="1",
                serial=1,
                labels=["yes", "no"],
                figures={},
                noted_at=0.0,
            )
        )
        assert samples.labelled_of(session, MODEL) == []
        assert len(samples.labelled_of(session, "voices")) == 20


def test_a_sample_that_does_not_fit_the_model_stops_no_retraining(shop: Shop) -> None:
    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)
    shop.ingest.apply([messages.sample("pi-1", 99, side=7)])
    with shop.database.write() as session:
        samples.label(session, {"pi-1:1-99": "1"}, labelled_by="ann", now_s=0.0)

    shop.works()

    assert shop.job().state is JobState.ROLLING_OUT


def test_a_request_that_looks_like_an_option_is_none(tmp_path: Path) -> None:
    order = BuildOrder(
        recipe="r.yaml",
        output=tmp_path,
        parent=tmp_path,
        evidence=None,
        samples=None,
        answers=("--blind",),
        serial=2,
        version="2",
        init=None,
        keep_model=None,
    )

    assert "--answers=--blind" in build_arguments(order)
    assert "--blind" not in build_arguments(order)


def test_the_next_training_starts_from_the_published_model(shop: Shop) -> None:
    shop.asks("pi-1", "r-1")
    shop.delivers("pi-1", 20)
    shop.works()
    published = BundleId(str(shop.job().bundle))

    kept = shop.work_dir / "models" / f"{published}.keras"
    assert kept.read_bytes() == b"keras"
    assert shop.converter.orders[0].init is None


def test_a_worker_needs_a_model_and_a_recipe(shop: Shop) -> None:
    config = FleetConfig(model=MODEL)

    with pytest.raises(ConfigError, match="recipe"):
        RetrainWorker(config, shop.database, shop.registry, lambda _: shop.converter, shop.clock, "w")


def figures(
    *,
    held_n: int = 50,
    held: float = 0.9,
    held_parent: float = 0.5,
    old: float | None = 0.95,
    before: float | None = 0.95,
) -> Figures:
    return Figures(held_n=held_n, held=held, held_parent=held_parent, old_n=500, old=old, old_parent=before)


@pytest.mark.parametrize(
    ("measured", "count"),
    [
        (figures(), 0),
        (figures(old=0.94), 0),  # exactly 1 point
        (figures(old=0.9399), 1),
        (figures(held=0.5), 1),
        (figures(held_n=19), 1),
        (figures(old=None), 1),
        (figures(before=None), 1),
        (figures(held=0.4, old=0.5, held_n=1), 3),
    ],
)
def test_objections_to_a_bundle(measured: Figures, count: int) -> None:
    assert len(objections(measured, min_held=20, max_old_loss=0.01)) == count


def test_requests_without_evidence_are_no_evidence() -> None:
    plain = Request(id="r-1", device="pi-1", bundle_held=None, document={"evidence": None})

    assert json.loads(evidence_json([plain])) == {"v": 1, "evidence": []}


def test_a_version_counts_on() -> None:
    assert [next_version(text) for text in ("1", "1.9", "0.1.0-rc1", "x" * 64)][:3] == ["2", "1.10", "0.1.0-rc2"]
    assert len(next_version("x" * 64)) <= 64

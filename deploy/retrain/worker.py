"""The retraining worker: takes a job that the controller has opened, and sees it through to a rollout or a refusal.

    wait for labels -> plan -> build -> evaluate -> judge -> publish and order a rollout -> compare with a blind build

Every step leaves files in the job's directory that the next one starts from, so a worker that is killed does not begin
again. What publishes (bundle, answered requests, rollout) is one transaction after the registry's own, and doing both
twice is doing them once. How a bundle comes about is in ``build``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from deploy.clock import Clock
from deploy.config import FleetConfig
from deploy.errors import ConfigError, DatabaseError, DeployError
from deploy.fleet import jobs, requests, rollouts, samples
from deploy.fleet.database import FleetDatabase
from deploy.fleet.models import Job, Request
from deploy.fleet.states import JobState, RequestState
from deploy.registry.errors import RegistryBusyError, SerialError
from deploy.retrain.build import Builder, MakeConverter
from deploy.retrain.dataset import Split, of_one_kind, split, to_pretrain
from deploy.retrain.judge import Figures, objections
from deploy.retrain.plan import Plan
from deploy.retrain.ports import Bundles
from edge_models.errors import EdgeModelsError
from edge_models.manifest import BundleId, short

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5  # a job that kills its worker this often is given up
MAX_UNLABELLED = 2000  # samples without a label, the newest: up to 64 KiB each, in memory while they are written
MAX_ROUNDS = 3  # how often a job may begin again: for requests that come late, or for a serial that is taken


class RetrainWorker:
    """Works on one job at a time; call ``step`` for ever.

    Args:
        config: fleet.yaml.
        database: The fleet database.
        bundles: The registry.
        make_converter: Makes the converter that logs to a file.
        clock: Tells the time.
        name: Of this worker; a job belongs to the worker that has its files.

    Raises:
        ConfigError: The configuration names no model or no recipe.
    """

    def __init__(
        self,
        config: FleetConfig,
        database: FleetDatabase,
        bundles: Bundles,
        make_converter: MakeConverter,
        clock: Clock,
        name: str,
    ) -> None:
        if config.model is None or config.recipe is None:
            raise ConfigError("model and recipe: found nothing, expected the model slot and the recipe to retrain from")
        self._model = config.model
        self._config = config
        self._database = database
        self._bundles = bundles
        self._clock = clock
        self._name = name
        judging = config.retrain.artifact
        self._builder = Builder(config.recipe, Path(config.work_dir), bundles, make_converter, judging)
        self._current: str | None = None

    def step(self) -> bool:
        """Do what there is to do; tell whether there was anything but waiting.

        Raises:
            DatabaseError: The database has gone; call again.
            RegistryBusyError: Somebody else has been publishing for too long; call again.
        """
        if self._current is None:
            with self._database.write() as session:
                job = jobs.claim(session, self._model, self._name, self._clock.unix_s())
            if job is None:
                return self._compare_with_blind()
            self._current = job.id
            log.info("job taken id=%s attempt=%d", job.id, job.attempts)
            if job.attempts > MAX_ATTEMPTS:
                self._end(job.id, JobState.FAILED, f"given up after {MAX_ATTEMPTS} attempts that did not end")
                return True
        return self._advance(self._current)

    def _advance(self, identity: str) -> bool:
        try:
            return self._attempt(identity)
        except (DatabaseError, RegistryBusyError):
            raise
        except (DeployError, EdgeModelsError) as exc:
            self._end(identity, JobState.FAILED, str(exc))
            return True

    def _attempt(self, identity: str) -> bool:
        """One round of a job: False while it waits for labels."""
        folder = self._builder.folder(identity)
        job, asking = self._read(identity)
        if not asking:
            self._end(identity, JobState.CANCELLED, "every request was withdrawn")
            return True
        plan = folder.read_plan()
        if plan is None or self._has_grown(plan, asking):
            if not self._has_labels(job, asking):
                return False
            plan = self._plan(job, asking, 0 if plan is None else plan.round + 1)
            if plan is None:
                return True
        self._builder.build_candidate(plan, lambda step: self._note(identity, f"training: {step}"))
        if self._has_grown(plan, self._read(identity)[1]):
            return True  # the next step begins another round
        self._note(identity, "judging")
        figures = self._builder.figures(plan)
        found = objections(
            figures, min_held=self._config.retrain.min_held, max_old_loss=self._config.retrain.max_old_loss
        )
        self._store_figures(plan, figures)
        if found:
            self._end(identity, JobState.REFUSED, "; ".join(found))
        else:
            self._publish(plan, job, asking)
        return True

    def _read(self, identity: str) -> tuple[Job, list[Request]]:
        with self._database.read() as session:
            return jobs.get_job(session, identity), requests.of_job(session, identity, (RequestState.OPEN,))

    @staticmethod
    def _has_grown(plan: Plan, asking: Sequence[Request]) -> bool:
        return plan.round + 1 < MAX_ROUNDS and any(request.id not in plan.requests for request in asking)

    def _has_labels(self, job: Job, asking: Sequence[Request]) -> bool:
        """Whether there are enough labels, or the wait for them is over."""
        wanted = self._config.retrain.min_samples
        with self._database.read() as session:
            counts = samples.labelled_counts(session, {request.device for request in asking})
        if all(count >= wanted for count in counts.values()):
            return True
        if self._clock.unix_s() - job.settled_at >= self._config.retrain.wait_s:
            log.warning("job goes on with the labels that there are id=%s labels=%s", job.id, counts)
            return True
        missing = ", ".join(f"{device} {count} of {wanted}" for device, count in counts.items() if count < wanted)
        with self._database.write() as session:
            jobs.note_waiting(session, job.id, f"waiting for labels: {missing}", self._clock.unix_s())
        return False

    def _plan(self, job: Job, asking: Sequence[Request], turn: int) -> Plan | None:
        """Decide what to build from what; None if the job had to be refused."""
        retrain = self._config.retrain
        with self._database.read() as session:
            labelled = of_one_kind(samples.labelled_of(session, self._model))
            rest = samples.unlabelled_of(session, self._model, limit=MAX_UNLABELLED)
        found: Split = split(labelled, fraction=retrain.held_fraction, device_cap=retrain.device_cap)
        found = replace(found, unlabelled=to_pretrain(rest, found.train, fraction=retrain.held_fraction))
        if not found.train or len(found.held) < retrain.min_held:
            self._end(
                job.id,
                JobState.REFUSED,
                f"{len(labelled)} labelled samples leave {len(found.held)} to judge a bundle with, "
                f"{retrain.min_held} are needed; label more with `driftline-fleet samples label`",
            )
            return None
        channel = self._bundles.channel(self._model, self._config.channel)
        if channel is None:
            raise ConfigError(f"channel {self._model}/{self._config.channel} does not exist; set its first bundle")
        self._note(job.id, f"planning: {len(found.train)} samples to learn from, {len(found.held)} held back")
        return self._builder.plan(job.id, channel.bundle, asking, found, turn)

    def _publish(self, plan: Plan, job: Job, asking: Sequence[Request]) -> None:
        self._note(plan.job, "publishing")
        try:
            bundle = self._bundles.publish(self._builder.folder(plan.job).candidate)
        except SerialError as exc:
            if plan.round + 1 >= MAX_ROUNDS:
                raise
            log.warning("job begins again id=%s: %s", plan.job, exc)  # what the fleet runs may be another bundle by now
            self._plan(job, asking, plan.round + 1)
            return
        self._builder.keep_model(plan, bundle)
        self._order_rollout(plan, bundle)
        self._current = None

    def _order_rollout(self, plan: Plan, bundle: BundleId) -> None:
        now_s = self._clock.unix_s()
        manifest = self._bundles.manifest(bundle)
        with self._database.write() as session:
            job = jobs.get_job(session, plan.job)
            rollouts.note_bundle(session, bundle, manifest, now_s)
            requests.answer(session, job, bundle, now_s)
            rollout = rollouts.new_rollout(
                session,
                model=self._model,
                channel=self._config.channel,
                bundle=bundle,
                config=self._config.rollout,
                job=job.id,
                now_s=now_s,
            )
            job.state, job.bundle, job.rollout, job.updated_at = JobState.ROLLING_OUT, bundle, rollout.id, now_s
            job.step = ""
        log.info("job published id=%s bundle=%s rollout=%s", plan.job, short(bundle), rollout.id)

    def _compare_with_blind(self) -> bool:
        """Build once more without evidence, when nothing is more urgent: it measures what the evidence is worth."""
        if not self._config.retrain.blind:
            return False
        with self._database.read() as session:
            job = jobs.without_blind(session, self._model, self._name)
        plan = None if job is None else self._builder.folder(job.id).read_plan()
        if job is None or plan is None:
            return False
        identity = job.id
        try:
            accuracy = self._builder.blind_accuracy(plan, lambda step: self._note(identity, f"blind build: {step}"))
            error = None
        except (DatabaseError, RegistryBusyError):
            raise
        except (DeployError, EdgeModelsError) as exc:
            accuracy, error = None, str(exc)
            log.warning("blind build failed id=%s: %s", identity, exc)
        with self._database.write() as session:
            row = jobs.get_job(session, identity)
            row.evidence_blind_accuracy = accuracy
            row.figures = {**row.figures, "blind_done": True, "blind_error": error}
            row.step, row.updated_at = "", self._clock.unix_s()
        return True

    def _store_figures(self, plan: Plan, figures: Figures) -> None:
        with self._database.write() as session:
            job = jobs.get_job(session, plan.job)
            job.parent = plan.parent
            job.figures = {**asdict(figures), "train_n": plan.train, "rounds": plan.round + 1}
            job.evidence_driven_accuracy = figures.held

    def _note(self, identity: str, step: str) -> None:
        with self._database.write() as session:
            jobs.note_step(session, identity, step, self._clock.unix_s())

    def _end(self, identity: str, state: JobState, reason: str) -> None:
        with self._database.write() as session:
            jobs.end(session, identity, state, reason, self._clock.unix_s())
        self._current = None

"""From a plan to a measured bundle: files for the converter, its runs, and what it found."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from deploy.fleet.models import Request
from deploy.registry.files import write_durable
from deploy.retrain.dataset import Split, held_npz, training_npz, unlabelled_npz
from deploy.retrain.judge import Figures
from deploy.retrain.plan import JobFolder, Plan, evidence_json, next_version
from deploy.retrain.ports import BuildOrder, Bundles, Converter, OnStep
from deploy.retrain.report import judged_artifact, old_test
from edge_models.bundle import open_bundle, open_manifest
from edge_models.errors import BundleError
from edge_models.manifest import BundleId

log = logging.getLogger(__name__)

MakeConverter = Callable[[Path], Converter]
_LOG_NAME = "converter.log"


class Builder:
    """Builds and measures the bundles of jobs.

    Args:
        recipe: Recipe to start from.
        work_dir: Gets ``jobs/ID`` for each job and ``models/BUNDLE.keras`` for each published bundle.
        bundles: The registry.
        make_converter: Makes the converter that logs to a file.
        artifact: The artifact that judges a bundle; as ``judged_artifact`` chooses when None.
    """

    def __init__(
        self,
        recipe: str,
        work_dir: Path,
        bundles: Bundles,
        make_converter: MakeConverter,
        artifact: str | None = None,
    ) -> None:
        self._recipe = recipe
        self._artifact = artifact
        self._work_dir = work_dir
        self._bundles = bundles
        self._make_converter = make_converter

    def folder(self, job: str) -> JobFolder:
        """The directory of a job."""
        return JobFolder(self._work_dir / "jobs" / job)

    def plan(self, job: str, parent: BundleId, asking: Sequence[Request], found: Split, turn: int) -> Plan:
        """Write down what is to be built, and the files that it is to be built from."""
        folder, manifest = self.folder(job), self._bundles.manifest(parent)
        for stale in (folder.candidate, folder.blind):
            shutil.rmtree(stale, ignore_errors=True)
        plan = Plan(
            job=job,
            parent=parent,
            serial=self._bundles.next_serial(manifest.model),
            version=next_version(manifest.version),
            recipe=self._recipe,
            requests=tuple(request.id for request in asking),
            train=len(found.train),
            held=len(found.held),
            unlabelled=len(found.unlabelled),
            round=turn,
        )
        # The sketches were taken against the profile of the bundle that the device holds.
        comparable = [request for request in asking if request.bundle_held == parent]
        write_durable(folder.evidence, evidence_json(comparable))
        write_durable(folder.samples, training_npz(found.train))
        write_durable(folder.held, held_npz(found.held))
        if found.unlabelled:
            write_durable(folder.unlabelled, unlabelled_npz(found.unlabelled))
        folder.write_plan(plan)
        return plan

    def build_candidate(self, plan: Plan, on_step: OnStep) -> None:
        """Have the candidate built, unless it is there.

        Raises:
            ConverterError: The converter failed.
            BundleError: What it built is not what was ordered.
        """
        folder = self.folder(plan.job)
        if not _is_built(folder.candidate, plan):
            self._converter(plan).build(self._order(plan, folder.candidate, folder.model), on_step)
        if not _is_built(folder.candidate, plan):
            raise BundleError(f"{folder.candidate}: the converter did not build serial {plan.serial} for {plan.job}")

    def figures(self, plan: Plan) -> Figures:
        """Measure candidate and parent on the held-back samples and on the old test set.

        Raises:
            ConverterError: The converter failed.
        """
        folder, parent = self.folder(plan.job), self._bundles.bundle_dir(BundleId(plan.parent))
        old, old_parent = (old_test(bundle, self._artifact) for bundle in (folder.candidate, parent))
        return Figures(
            held_n=plan.held,
            held=self._held_accuracy(plan, folder.candidate),
            held_parent=self._held_accuracy(plan, parent),
            old_n=old.n,
            old=old.accuracy,
            old_parent=old_parent.accuracy,
        )

    def blind_accuracy(self, plan: Plan, on_step: OnStep) -> float:
        """Build without what the devices saw, and measure that on the same held-back samples.

        Raises:
            ConverterError: The converter failed.
        """
        folder = self.folder(plan.job)
        if not _is_built(folder.blind, plan):
            order = replace(self._order(plan, folder.blind, None), is_blind=True)
            self._converter(plan).build(order, on_step)
        return self._held_accuracy(plan, folder.blind)

    def keep_model(self, plan: Plan, bundle: BundleId) -> None:
        """Keep the Keras model of a published bundle: its successor starts from it."""
        model = self.folder(plan.job).model
        if model.is_file():
            target = self._model_of(bundle)
            target.parent.mkdir(parents=True, exist_ok=True)
            model.replace(target)

    def _order(self, plan: Plan, output: Path, keep_model: Path | None) -> BuildOrder:
        folder, init = self.folder(plan.job), self._model_of(plan.parent)
        return BuildOrder(
            recipe=plan.recipe,
            output=output,
            parent=self._bundles.bundle_dir(BundleId(plan.parent)),
            evidence=folder.evidence,
            samples=folder.samples,
            unlabelled=folder.unlabelled if plan.unlabelled else None,
            answers=plan.requests,
            serial=plan.serial,
            version=plan.version,
            init=init if init.is_file() else None,
            keep_model=keep_model,
        )

    def _held_accuracy(self, plan: Plan, bundle: Path) -> float:
        found = self._converter(plan).evaluate(bundle, self.folder(plan.job).held)
        name = judged_artifact(open_manifest(bundle).manifest, self._artifact)
        if name not in found.accuracies:
            raise BundleError(f"{bundle}: driftline-convert evaluate gives no accuracy of {name}")
        return found.accuracies[name]

    def _converter(self, plan: Plan) -> Converter:
        return self._make_converter(self.folder(plan.job).path / _LOG_NAME)

    def _model_of(self, bundle: str) -> Path:
        return self._work_dir / "models" / f"{bundle}.keras"


def _is_built(directory: Path, plan: Plan) -> bool:
    """Whether a whole bundle lies there that was built for this plan."""
    try:
        manifest = open_bundle(directory).manifest
    except BundleError:
        return False
    return manifest.serial == plan.serial and set(manifest.provenance.answers) == set(plan.requests)

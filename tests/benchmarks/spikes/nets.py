"""Nets of the benchmark: one CNN, trained once, and its spiking forms; all kept from run to run.

A net is kept by the digest of the recipe that made it, so that a changed recipe is learnt anew and no other.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from converter.build import BuildOrder, build
from converter.gates import GATES
from converter.keras_process.process import KerasProcess
from converter.preparation import Prepared, prepare
from converter.quantize.calibration import calibration_choice
from converter.recipe import Recipe, load_recipe
from converter.spiking.calibration import calibrate
from converter.spiking.extract import extract
from converter.spiking.float_archive import from_npz, to_npz
from converter.spiking.float_network import FloatNetwork
from converter.spiking.input_codes import input_spec
from converter.spiking.integers import to_network
from converter.training.spiking import fine_tune, surrogate
from edge_models.bundle import Bundle, open_bundle
from edge_models.quantize import quantize
from edge_models.spiking.network import Coding, Network
from edge_models.tensors import TensorSpec
from tests.benchmarks.conversion.place import Place, now

RECIPE = "fashion_spiking"
INT8, SPIKING, COLLAPSED = "tflite-int8", "spiking", "collapsed"
IF_STEPS = 4
# Through the spikes, after fine-tuning with as many levels as steps.
SURROGATE = "spiking.surrogate={steps: 1500, batch: 64, learning_rate: 0.0005}"
CALIBRATION = 512


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Made:
    """A network with ceilings.

    Attributes:
        network: In floating point.
        seconds: That making it took, when it was made.
    """

    network: FloatNetwork
    seconds: float


class Nets:
    """Makes what is not kept."""

    def __init__(self, place: Place, overrides: tuple[str, ...] = ()) -> None:
        """Nets of the shipped recipe.

        Args:
            place: Folders of this run.
            overrides: As for ``--set``.
        """
        self._place = place
        self._overrides = overrides
        self._recipe = self._changed()

    @cached_property
    def prepared(self) -> Prepared:
        """The data."""
        return prepare(self._recipe, self._place.progress)

    @cached_property
    def test(self) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]:
        """Centred codes (n, height, width, channels), preprocessed inputs (n, ...) and classes of the test part."""
        part = self.prepared.parts.test
        inputs = self.prepared.inputs(part)
        return self.codes(inputs), inputs, self.prepared.data.y[part]

    @cached_property
    def profile(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Centred codes (n, height, width, channels) and classes of the profile part: nothing was learnt from it."""
        part = self.prepared.parts.profile
        return self.codes(self.prepared.inputs(part)), self.prepared.data.y[part]

    @cached_property
    def input(self) -> TensorSpec:
        """Codes of the networks' input."""
        return input_spec(self._calibration())

    def codes(self, inputs: NDArray[np.float32]) -> NDArray[np.int32]:
        """Centred codes (n, height, width, channels) of preprocessed inputs (n, height, width, channels)."""
        quant = self.input.quant
        zero_point = 0 if quant is None else quant.zero_point
        x = quantize(inputs, self.input).astype(np.int32) - np.int32(zero_point)
        return x if x.ndim == 4 else x[..., np.newaxis]

    @cached_property
    def bundle(self) -> Bundle:
        """The shipped recipe's bundle: int8, spiking and collapsed artifacts; its Keras model is kept, too."""
        path = self._place.cache / "bundles" / f"{RECIPE}-{self._recipe.sha256[:16]}"
        if path.exists() and self._net.exists():
            return open_bundle(path)
        is_trained = self._net.exists()
        recipe = self._recipe
        if is_trained:
            recipe = dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, epochs=0))
        path.parent.mkdir(parents=True, exist_ok=True)
        order = BuildOrder(
            recipe=recipe,
            output=path,
            initial=self._net if is_trained else None,
            kept_model=None if is_trained else self._net,
            allowed=GATES,
            created=now(),
        )
        return build(order, self._place.progress)

    def ann(self) -> FloatNetwork:
        """The trained net with batch normalisation folded away and ReLU."""
        return self._kept("ann", self._trained, extract).network

    def tuned(self, levels: int) -> Made:
        """Fine-tuned for so many levels."""
        recipe = self._changed(f"spiking.levels={levels}")
        section = recipe.spiking
        assert section is not None

        def make(keras: KerasProcess) -> FloatNetwork:
            inputs, y = self._training()
            return fine_tune(keras, section, inputs, y, self._place.progress, seed=recipe.training.seed)[0]

        return self._kept(f"levels-{levels}", recipe, make)

    def learnt_through_spikes(self) -> Made:
        """Fine-tuned for plain integrate-and-fire neurons and ``IF_STEPS`` steps."""
        recipe = self._changed(f"spiking.levels={IF_STEPS}", "spiking.coding=if", SURROGATE)
        section, start = recipe.spiking, self.tuned(IF_STEPS).network
        assert section is not None

        def make(keras: KerasProcess) -> FloatNetwork:
            inputs, y = self._training()
            return surrogate(keras, section, start, inputs, y, self._place.progress, seed=recipe.training.seed)[0]

        return self._kept("surrogate", recipe, make)

    def calibrated(self, levels: int) -> Made:
        """Without training: thresholds and biases from ``CALIBRATION`` examples."""
        recipe = self._changed(
            f"spiking.levels={levels}", "spiking.training=null", f"spiking.calibration={CALIBRATION}"
        )
        ann = self.ann()

        def make(_keras: KerasProcess) -> FloatNetwork:
            rng = np.random.default_rng(recipe.training.seed)
            return calibrate(ann, self._calibration(), coding="atf", levels=levels, rng=rng)

        return self._kept(f"calibrated-{levels}", recipe, make)

    def integers(self, network: FloatNetwork, coding: Coding, steps: int) -> Network:
        """The integers of a network with ceilings."""
        return to_network(network, coding=coding, steps=steps, input=self.input)

    @property
    def _trained(self) -> Recipe:
        """What decides the net that all begin with."""
        return dataclasses.replace(self._recipe, spiking=None)

    @property
    def _net(self) -> Path:
        return self._place.net("fashion-spiking", self._trained.sha256)

    def _changed(self, *overrides: str) -> Recipe:
        return load_recipe(RECIPE, [*self._overrides, *overrides], self._place.named)

    def _training(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        part = self.prepared.parts.train
        return self.prepared.inputs(part), self.prepared.data.y[part]

    def _calibration(self) -> NDArray[np.float32]:
        train = self.prepared.parts.train
        return self.prepared.inputs(train[calibration_choice(self.prepared.data.y[train], None, CALIBRATION)])

    def _kept(self, name: str, recipe: Recipe, make: Callable[[KerasProcess], FloatNetwork]) -> Made:
        path = self._place.cache / "nets" / f"{name}-{recipe.sha256[:16]}.npz"
        told = path.with_suffix(".json")
        if path.exists() and told.exists():
            return Made(network=from_npz(path.read_bytes()), seconds=json.loads(told.read_text())["seconds"])
        _ = self.bundle  # trains the net that all begin with
        shape, classes = self.prepared.preprocess.output_shape, len(self.prepared.data.labels)
        with KerasProcess() as keras:
            keras.load(self._net, shape, classes, seed=recipe.training.seed)
            started_s = time.monotonic()
            network = make(keras)
            seconds = time.monotonic() - started_s
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(to_npz(network))
        told.write_text(json.dumps({"seconds": round(seconds, 1)}))
        return Made(network=network, seconds=seconds)

"""MLPerf Tiny's own files: its int8 models measured as they are, and its Keras models converted by us beside them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from converter.build import BuildOrder, build, read_report
from converter.gates import GATES
from converter.keras_process.process import KerasProcess
from converter.measure import HeldOut, measure
from converter.measure.fidelity import sqnr_db
from converter.measure.running import loaded, outputs_of
from converter.preparation import prepare
from converter.quantize.convert import convert
from converter.quantize.graph import Graph, read_graph
from converter.recipe import QuantizeRecipe, Recipe, SavedRecipe, load_recipe
from converter.recipe.imported import model_recipe
from converter.wrap.wrapping import WrapOrder, wrap
from edge_models.preprocess import resize_bilinear
from edge_models.preprocess.audio import log_mel
from edge_models.steps import LogMelStep
from tests.benchmarks.conversion.place import Place, now
from tests.benchmarks.conversion.result import Result, figures_of
from tests.benchmarks.conversion.tasks import waived
from tests.benchmarks.harness import Row, Value

RESNET = ("pretrainedResnet.h5", "pretrainedResnet.tflite", "pretrainedResnet_quant.tflite")
VWW = ("vww_96.h5", "vww_96_float.tflite", "vww_96_int8.tflite")
AD = ("ad01.h5", "ad01_fp32.tflite", "ad01_int8.tflite")
CALIBRATION, TESTED = 200, 500
# A hundred training pictures of each class set the ranges; all test pictures are measured.
FEW_TO_LEARN = r"dataset.pattern='^(?:train(?=/[^/]+/00)|(?P<part>test))/(?P<label>[^/]+)/'"
PIXELS_AS_THEY_ARE = "input.preprocess=[]"  # MLPerf's ResNet-8 takes 0 to 255
# benchmark/training/anomaly_detection/baseline.yaml of mlcommons/tiny: 128 mels of 64 ms every 32 ms, 5 frames an input
RATE_HZ, FRAMES = 16000, 5
MEL = LogMelStep(
    rate_hz=RATE_HZ,
    frame_length=1024,
    frame_step=512,
    fft_length=1024,
    mel_bins=128,
    low_hz=0.0,
    high_hz=8000.0,
    power=2.0,
    log_offset=1e-16,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fidelity:
    """How near int8 outputs are to float32 ones on inputs without labels.

    Attributes:
        name: Whose int8 file.
        size_bytes: Of it.
        float_bytes: Of the float32 file.
        sqnr_db: Of probabilities, or of a reconstruction.
        agreement: Share of equal winners; None for a reconstruction.
        n: Inputs.
        structure: What the int8 file takes and gives, and how many kinds of operators stay in floating point.
    """

    name: str
    size_bytes: int
    float_bytes: int
    sqnr_db: float
    agreement: float | None
    n: int
    structure: str

    @property
    def row(self) -> Row:
        """The line of the table."""
        values: dict[str, Value] = {
            "metric": "fidelity",
            "n": self.n,
            "agree": None if self.agreement is None else round(self.agreement, 4),
            "sqnr dB": round(self.sqnr_db, 1),
            "int8 bytes": self.size_bytes,
            "int8/float bytes": self.size_bytes / self.float_bytes,
            "structure": self.structure,
        }
        return Row(name=self.name, values=values)


def wrapped_keywords(place: Place) -> Result:
    """MLPerf's int8 DS-CNN as a bundle, on 500 MFCC of Speech Commands as it takes them."""
    started = time.monotonic()
    data = place.data / "kws01_mfcc_int8.npz"
    with np.load(data, allow_pickle=False) as archive:
        labels = archive["names"].tolist()
    (file,) = place.published(["kws_ref_model.tflite"])
    order = WrapOrder(
        file=file,
        recipe=model_recipe(file, str(data), labels, (), place.named, {}),
        output=place.bundle("kws-published"),
        kind=None,
        steps=None,
        role=None,
        allowed=GATES,
        created=now(),
    )
    bundle = wrap(order, place.progress, time.perf_counter)
    return Result(
        name="kws, published int8 wrapped",
        figures=figures_of(read_report(bundle)),
        bundle=bundle.directory,
        waived=waived(bundle),
        seconds=time.monotonic() - started,
    )


def resnet(place: Place) -> Iterator[Result]:
    """MLPerf's int8 ResNet-8 on the CIFAR pictures, and ours of the same Keras model: both as bundles do it."""
    started = time.monotonic()
    keras_file, float_file, int8_file = place.published(RESNET)
    recipe = _cifar(keras_file, place)
    sys.stderr.write("published ResNet-8: measuring and converting\n")
    prepared = prepare(recipe, place.progress)
    test = prepared.parts.test
    part = HeldOut(inputs=prepared.inputs(test), y=prepared.data.y[test], labels=prepared.data.labels)
    figures = measure(
        int8_file.read_bytes(),
        float_file.read_bytes(),
        part,
        task="classification",
        keras_outputs=None,
        rng=np.random.default_rng(0),
        clock=time.perf_counter,
    )
    yield Result(name="resnet8, published int8", figures=figures, seconds=time.monotonic() - started)
    started = time.monotonic()
    order = BuildOrder(recipe=recipe, output=place.bundle("resnet8-ours"), allowed=GATES, created=now())
    bundle = build(order, place.progress)
    yield Result(
        name="resnet8, converted by us",
        figures=figures_of(read_report(bundle)),
        bundle=bundle.directory,
        waived=waived(bundle),
        seconds=time.monotonic() - started,
    )


def visual_wake_words(place: Place) -> list[Fidelity]:
    """The published and our int8 of MLPerf's MobileNet, on pictures of CIFAR at 96 x 96."""
    prepared = prepare(_cifar(place.published(RESNET)[0], place), place.progress)
    chosen = np.random.default_rng(0).permutation(len(prepared.data.x))[: CALIBRATION + TESTED]
    inputs = resize_bilinear(prepared.data.x[chosen].astype(np.float32), 96, 96) / np.float32(255)
    return _beside(place, "vww", VWW, inputs, 2)


def anomaly_detection(place: Place) -> list[Fidelity]:
    """The same of the autoencoder, on spectra of a motor's vibration: the data of MLPerf's toy cars are not here."""
    inputs = _machine_sound(place.data / "cwru_1797_DE48.npz")
    chosen = np.random.default_rng(0).permutation(len(inputs))[: CALIBRATION + TESTED]
    return _beside(place, "ad", AD, inputs[chosen], inputs.shape[1])


def _beside(
    place: Place, name: str, files: tuple[str, str, str], inputs: NDArray[np.float32], outputs: int
) -> list[Fidelity]:
    keras_file, float_file, int8_file = place.published(files)
    sys.stderr.write(f"published {name}: measuring and converting\n")
    calibration, tested = inputs[:CALIBRATION], inputs[CALIBRATION:]
    theirs = _fidelity(f"{name}, published int8", int8_file.read_bytes(), float_file.read_bytes(), tested, place)
    with KerasProcess() as keras:
        keras.create(SavedRecipe(path=str(keras_file)), inputs.shape[1:], outputs, seed=0)
        made = convert(keras, QuantizeRecipe(), calibration, modes=("int8",))
    return [theirs, _fidelity(f"{name}, converted by us", made.files["int8"], made.float32, tested, place)]


def _fidelity(name: str, int8: bytes, float32: bytes, inputs: NDArray[np.float32], place: Place) -> Fidelity:
    given, exact = (_outputs(data, inputs, place) for data in (int8, float32))
    is_copy = exact.shape[1] == np.prod(inputs.shape[1:])
    if not is_copy:
        given, exact = _shares(given), _shares(exact)
    return Fidelity(
        name=name,
        size_bytes=len(int8),
        float_bytes=len(float32),
        sqnr_db=sqnr_db(exact, given),
        agreement=None if is_copy else float((given.argmax(axis=1) == exact.argmax(axis=1)).mean()),
        n=len(inputs),
        structure=_structure(read_graph(int8)),
    )


def _structure(graph: Graph) -> str:
    return f"{graph.input_dtypes[0]} in, {graph.output_dtypes[0]} out, {len(set(graph.float_ops))} kinds of op in float"


def _outputs(data: bytes, inputs: NDArray[np.float32], place: Place) -> NDArray[np.float32]:
    with loaded(data) as model:
        return outputs_of(model, inputs, 0, "fidelity", place.progress)


def _shares(outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities: the published files end with them, ours with logits."""
    is_done = outputs.min() >= 0 and np.allclose(outputs.sum(axis=1), 1, atol=0.02)
    if is_done:
        return outputs
    raised = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


def _cifar(keras_file: Path, place: Place) -> Recipe:
    """The recipe cifar10 with MLPerf's trained net in place of its own."""
    base = load_recipe("cifar10", (), place.named)
    settings: dict[str, object] = {"task": base.task, "gates": {}}
    return model_recipe(
        keras_file, "cifar10", base.dataset.labels, (FEW_TO_LEARN, PIXELS_AS_THEY_ARE), place.named, settings
    )


def _machine_sound(path: Path) -> NDArray[np.float32]:
    """Inputs (n, 640) in decibels, as MLPerf makes them of sound."""
    from scipy.signal import resample_poly

    inputs = []
    with np.load(path, allow_pickle=False) as archive:
        for name in archive.files:
            sound = np.asarray(resample_poly(archive[name], 1, 3), np.float32)  # 48,000 to 16,000 Hz
            sound *= np.float32(0.05) / sound.std()  # a microphone's usual level
            decibel = np.float32(10 / np.log(10)) * log_mel(sound[None], MEL)[0]
            starts = np.arange(len(decibel) - FRAMES + 1)
            inputs.append(decibel[starts[:, None] + np.arange(FRAMES)].reshape(len(starts), -1))
    return np.concatenate(inputs)

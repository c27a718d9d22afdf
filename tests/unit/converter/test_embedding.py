"""A second output beside the answer, without touching anything else in the file."""

from __future__ import annotations

import numpy as np
import pytest

from converter.errors import ModelError
from converter.quantize.embedding import with_embedding
from converter.quantize.inspection import inspect
from converter.quantize.schema import packed, unpacked
from converter.recipe import Mode
from edge_models.engines.tflite import TfliteModel
from edge_models.preprocess import Preprocessor
from edge_models.quantize import quantize
from tests.factories.bundles import ASSETS, INPUT
from tests.factories.frames import digit_frames
from tests.unit.converter.crafted import Op, tflite

FRAMES = Preprocessor(INPUT).batch(digit_frames(20, seed=5)[0])
MODES: tuple[Mode, ...] = ("int8", "float16", "dynamic", "int16x8")


def asset(form: str) -> bytes:
    return (ASSETS / f"digits-{form}.tflite").read_bytes()


FLOAT = asset("float")


@pytest.mark.parametrize("delegates", [False, True], ids=["reference kernels", "delegates"])
@pytest.mark.parametrize("mode", MODES)
def test_the_answers_stay_the_same_number_for_number(mode: Mode, *, delegates: bool) -> None:
    before = TfliteModel(asset(mode), delegates=delegates)
    after = TfliteModel(with_embedding(asset(mode), "auto", FLOAT), delegates=delegates)
    shape = after.input.spec.shape

    for frame in FRAMES:
        codes = quantize(frame.reshape(shape), after.input.spec)
        answer, embedding = after.run(codes)
        assert np.array_equal(answer, before.run(codes)[0])
        assert embedding.shape == (128,)
        assert embedding.dtype == answer.dtype


@pytest.mark.parametrize("mode", MODES)
def test_a_file_with_an_embedding_still_passes_its_inspection(mode: Mode) -> None:
    inspection = inspect(with_embedding(asset(mode), "auto", FLOAT), mode)

    assert len(inspection.graph.output_dtypes) == 2
    assert inspection.graph.ops == inspect(asset(mode), mode).graph.ops


def test_nothing_but_the_list_of_outputs_changes() -> None:
    before, after = asset("int8"), with_embedding(asset("int8"), "auto", FLOAT)

    differing = [at for at, (was, now) in enumerate(zip(before, after, strict=False)) if was != now]
    assert len(differing) <= 8  # two references of four bytes
    assert len(after) - len(before) < 200
    (signature,) = unpacked(after).signatureDefs
    assert [entry.name for entry in signature.outputs] == [b"output_0", b"embedding"]
    assert [entry.tensorIndex for entry in signature.outputs] == unpacked(after).subgraphs[0].outputs.tolist()


def test_a_layer_can_be_named_as_the_float_model_calls_it() -> None:
    second = with_embedding(asset("int8"), "conv2d_1", FLOAT)

    assert [output.spec.shape for output in TfliteModel(second).outputs] == [(10,), (4, 4, 8)]


def test_a_layer_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ModelError, match=r"found no layer pool in the model, expected auto, none or one of .*flatten"):
        with_embedding(asset("int8"), "pool", FLOAT)


def test_a_layer_with_too_many_numbers_is_refused() -> None:
    model = unpacked(FLOAT)
    first = model.subgraphs[0].operators[0].outputs[0]
    model.subgraphs[0].tensors[first].shape = [1, 513]
    model.subgraphs[0].tensors[first].name = "net/conv2d_0_1/Relu"

    with pytest.raises(ModelError, match=r"layer conv2d_0 gives 513 numbers, expected .* at most 512"):
        with_embedding(packed(model), "conv2d_0", packed(model))


def test_a_layer_cannot_be_followed_into_another_model() -> None:
    with pytest.raises(ModelError, match="cannot be followed into this precision; choose auto or none"):
        with_embedding((ASSETS / "hum-int8.tflite").read_bytes(), "flatten", FLOAT)


def test_the_embedding_of_an_autoencoder_is_its_bottleneck() -> None:
    hum = (ASSETS / "hum-int8.tflite").read_bytes()

    shown = TfliteModel(with_embedding(hum, "auto", hum, restores=True))

    assert [output.spec.shape for output in shown.outputs] == [(16,), (4,)]


def test_none_leaves_the_file_as_it_is() -> None:
    assert with_embedding(asset("int8"), "none", FLOAT) == asset("int8")


@pytest.mark.parametrize(
    "ops",
    [[Op("FULLY_CONNECTED")], [Op("RESHAPE"), Op("FULLY_CONNECTED")], [Op("RELU")]],
    ids=["linear", "linear after a reshape", "no dense layer"],
)
def test_a_model_without_a_learnt_layer_before_its_answer_has_no_embedding(ops: list[Op]) -> None:
    data = tflite(ops)

    assert with_embedding(data, "auto", data) == data

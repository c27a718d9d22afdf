"""What every engine owes its callers, held against the TFLite adapter, the spiking engine's executors and the fake.

Also run in the second environment, where the same adapter drives tflite-runtime 2.14 under numpy 1.26.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time_ns

import numpy as np
import pytest

from edge_models.bundle import Bundle
from edge_models.engines import open_engine
from edge_models.engines.port import Engine, infer
from edge_models.engines.spiking import SpikingOptions, open_spiking
from edge_models.errors import InputError, RuntimeMissingError
from edge_models.quantize import dequantize, quantize
from edge_models.spiking.executor import StreamExecutor
from edge_models.spiking.network import Network
from tests.assets.make_graphs import fixture_networks
from tests.factories.bundles import ASSETS, FLOAT, INT8, make_bundle
from tests.factories.spiking import COLLAPSED, SPIKING, make_spiking_bundle
from tests.fakes.engine import FakeEngine

pytestmark = pytest.mark.runtime

MakeEngine = Callable[[Path], Engine]
WEIGHTS = np.random.default_rng(0).normal(0, 0.2, (64, 10)).astype(np.float32)


def _fake(folder: Path) -> Engine:
    return FakeEngine((8, 8, 1), WEIGHTS)


def _fake_float(folder: Path) -> Engine:
    return FakeEngine((8, 8, 1), WEIGHTS, code=None)


def _tflite_int8(folder: Path) -> Engine:
    return open_engine(make_bundle(folder / "bundle", float_artifact=True), INT8)


def _tflite_int8_plain(folder: Path) -> Engine:
    return open_engine(make_bundle(folder / "bundle", float_artifact=True), INT8, delegates=False)


def _tflite_float(folder: Path) -> Engine:
    return open_engine(make_bundle(folder / "bundle", float_artifact=True), FLOAT)


def _spiking_bundle(folder: Path) -> Bundle:
    name = "spikes-conv.tflite"
    return make_spiking_bundle(folder / "bundle", fixture_networks()[name], graph=(ASSETS / name).read_bytes())


def _no_kernel(network: Network) -> StreamExecutor:
    raise RuntimeMissingError("no kernel in this test")


def _spiking_numpy(folder: Path) -> Engine:
    bundle = make_spiking_bundle(folder / "bundle", fixture_networks()["spikes-conv.tflite"])
    return open_spiking(bundle, SPIKING, SpikingOptions(clock_ns=process_time_ns), open_kernel=_no_kernel)


def _spiking_stills(folder: Path) -> Engine:
    return open_engine(_spiking_bundle(folder), SPIKING)


def _spiking_stream(folder: Path) -> Engine:
    return open_engine(_spiking_bundle(folder), SPIKING, stream=True)


def _collapsed(folder: Path) -> Engine:
    return open_engine(_spiking_bundle(folder), COLLAPSED)


def _collapsed_plain(folder: Path) -> Engine:
    return open_engine(_spiking_bundle(folder), COLLAPSED, delegates=False)


ENGINES = [
    _fake,
    _fake_float,
    _tflite_int8,
    _tflite_int8_plain,
    _tflite_float,
    _spiking_numpy,
    _spiking_stills,
    _spiking_stream,
    _collapsed,
    _collapsed_plain,
]


@pytest.fixture(params=ENGINES, ids=lambda make: make.__name__.strip("_"))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    made: Engine = request.param(tmp_path)
    return made


def _frame(engine: Engine, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    return quantize(np.random.default_rng(seed).random(engine.input.shape).astype(np.float32), engine.input)


def test_engine_names_itself_and_its_runtime_with_a_version(engine: Engine) -> None:
    name, version = engine.runtime.rsplit(" ", 1)

    assert engine.name
    assert name
    assert version[0].isdigit()
    assert engine.executor
    assert "\n" not in engine.note


def test_run_gives_every_output_with_its_declared_shape_and_dtype(engine: Engine) -> None:
    answers = engine.run(_frame(engine, 1))

    assert set(answers) == {output.name for output in engine.outputs}
    for output in engine.outputs:
        assert answers[output.name].shape == output.spec.shape
        assert answers[output.name].dtype == output.spec.dtype


def test_run_gives_the_same_answer_for_the_same_frame_whatever_came_between(engine: Engine) -> None:
    first = engine.run(_frame(engine, 1))["logits"].copy()
    engine.run(_frame(engine, 2))

    again = engine.run(_frame(engine, 1))["logits"]

    np.testing.assert_array_equal(again, first)


def test_run_gives_answers_that_later_runs_leave_alone(engine: Engine) -> None:
    kept = engine.run(_frame(engine, 1))["logits"]
    before = kept.copy()

    engine.run(_frame(engine, 2))

    np.testing.assert_array_equal(kept, before)


def test_run_gives_arrays_that_the_caller_may_change(engine: Engine) -> None:
    answer = engine.run(_frame(engine, 1))["logits"]
    before = answer.copy()

    answer[...] = 0

    np.testing.assert_array_equal(engine.run(_frame(engine, 1))["logits"], before)


def test_run_leaves_the_frame_alone(engine: Engine) -> None:
    frame = _frame(engine, 1)
    before = frame.copy()

    engine.run(frame)

    np.testing.assert_array_equal(frame, before)


def test_run_accepts_a_frame_that_is_not_contiguous(engine: Engine) -> None:
    frame = _frame(engine, 1)
    strided = np.asfortranarray(np.repeat(frame, 2, axis=0))[::2]

    np.testing.assert_array_equal(engine.run(strided)["logits"], engine.run(frame)["logits"])


@pytest.mark.parametrize("shape", [(), (8,), (8, 8), (1, 8, 8, 1), (8, 1, 8)])
def test_run_refuses_another_shape(engine: Engine, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError):
        engine.run(np.zeros(shape, engine.input.dtype))


@pytest.mark.parametrize("dtype", ["float64", "uint8", "int32"])
def test_run_refuses_another_dtype(engine: Engine, dtype: str) -> None:
    with pytest.raises(InputError):
        engine.run(np.zeros(engine.input.shape, dtype))


def test_infer_is_quantise_run_dequantise(engine: Engine) -> None:
    x = np.random.default_rng(3).random(engine.input.shape).astype(np.float32)

    answer = infer(engine, x)["logits"]

    spec = engine.outputs[0].spec
    np.testing.assert_array_equal(answer, dequantize(engine.run(quantize(x, engine.input))["logits"], spec))
    assert answer.dtype == np.float32


def test_infer_reshapes_a_frame_of_as_many_numbers(engine: Engine) -> None:
    x = np.random.default_rng(3).random(engine.input.shape).astype(np.float32)

    np.testing.assert_array_equal(infer(engine, x.reshape(-1))["logits"], infer(engine, x)["logits"])


def test_infer_refuses_another_number_of_values(engine: Engine) -> None:
    with pytest.raises(InputError, match="expected"):
        infer(engine, np.zeros((8, 9), np.float32))


def test_a_closed_engine_refuses_to_run_and_can_be_closed_again(engine: Engine) -> None:
    engine.close()
    engine.close()

    with pytest.raises(RuntimeError):
        engine.run(np.zeros(engine.input.shape, engine.input.dtype))

"""The golden-input test: what it lets pass and what it stops."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_models.bundle import Bundle, file_entries, write_bundle
from edge_models.errors import ArchiveError, BundleError
from edge_models.manifest import Artifact, InputSpec, Manifest, Probe, Requires, Tolerance
from edge_models.npz import write_npz
from edge_models.selftest import ProbeResult, difference_lsb, read_golden, run_probe
from edge_models.tensors import QuantParams, TensorSpec
from tests.fakes.engine import CODE, FakeEngine

WEIGHTS = (np.eye(4, 3) * 0.9 + 0.05).astype(np.float32)
RNG = np.random.default_rng(0)
GOLDEN_INPUTS: dict[str, NDArray[Any]] = {
    "int8": RNG.integers(-60, 60, (20, 2, 2)).astype(np.int8),
    "float32": RNG.normal(size=(20, 2, 2)).astype(np.float32),
}


class Wobbling(FakeEngine):
    """A runtime whose kernels give other last digits."""

    def __init__(self, code: QuantParams | None, change: Any) -> None:
        super().__init__((2, 2), WEIGHTS, code)
        self._change = change

    def run(self, codes: NDArray[Any]) -> dict[str, NDArray[Any]]:
        answer = super().run(codes)["logits"]
        return {"logits": self._change(answer).astype(answer.dtype)}


def bundle_of(
    directory: Path,
    code: QuantParams | None = CODE,
    *,
    tolerance: Tolerance | None = None,
    role: str = "logits",
    probe: dict[str, NDArray[Any]] | None = None,
) -> Bundle:
    engine = FakeEngine((2, 2), WEIGHTS, code)
    x = GOLDEN_INPUTS[engine.input.dtype]
    golden = {"x": x, "y_logits": np.stack([engine.run(frame)["logits"] for frame in x])}
    files = {"model.bin": b"", "probe.npz": write_npz(golden if probe is None else probe)}
    artifact = Artifact(
        engine="fake",
        file="model.bin",
        requires=Requires(runtimes=()),
        input=engine.input,
        outputs=(dataclasses.replace(engine.outputs[0], role=role),),  # type: ignore[arg-type]
        probe=Probe(file="probe.npz", count=20),
        tolerance=tolerance or Tolerance(exact_lsb=1, delegate_lsb=3, top1_agreement=0.9),
    )
    manifest = Manifest(
        format_version=1,
        model="fake",
        version="1",
        serial=1,
        task="classification",
        input=InputSpec(kind="rows", source=engine.input),
        files=file_entries(files),
        artifacts={"fake": artifact},
    )
    return write_bundle(directory, manifest, files)


def probed(
    directory: Path, code: QuantParams | None, change: Any, *, delegates: bool = True, role: str = "logits"
) -> ProbeResult:
    return run_probe(bundle_of(directory, code, role=role), "fake", Wobbling(code, change), delegates=delegates)


@pytest.mark.parametrize("code", [CODE, None], ids=["int8", "float32"])
def test_the_same_answers_pass(tmp_path: Path, code: QuantParams | None) -> None:
    result = probed(tmp_path / "b", code, lambda answer: answer)

    assert result == ProbeResult(ok=True, worst_lsb=0, top1_agreement=1.0, count=20, reason="")


def test_a_few_steps_pass_with_delegates_and_fail_without(tmp_path: Path) -> None:
    near = probed(tmp_path / "a", CODE, lambda answer: answer + 3)
    exact = probed(tmp_path / "b", CODE, lambda answer: answer + 3, delegates=False)
    far = probed(tmp_path / "c", CODE, lambda answer: answer + 4)

    assert (near.ok, near.worst_lsb) == (True, 3)
    assert (exact.ok, exact.reason) == (False, "outputs differ by 3 steps, at most 1 allowed")
    assert (far.ok, far.worst_lsb) == (False, 4)


def test_differences_of_codes_do_not_wrap_around(tmp_path: Path) -> None:
    result = probed(tmp_path / "b", CODE, lambda answer: np.full_like(answer, -128))

    assert result.worst_lsb > 127


def test_other_winners_fail_even_within_the_tolerance(tmp_path: Path) -> None:
    wide = Tolerance(delegate_lsb=255, top1_agreement=0.9)
    bundle = bundle_of(tmp_path / "b", tolerance=wide)

    result = run_probe(bundle, "fake", Wobbling(CODE, lambda answer: answer[::-1]))

    assert not result.ok
    assert result.top1_agreement < 0.9
    assert "of the winners agree" in result.reason


def test_a_model_without_classes_has_no_winners_to_compare(tmp_path: Path) -> None:
    result = probed(tmp_path / "b", CODE, lambda answer: answer[::-1], role="embedding")

    assert result.top1_agreement == 1.0


def test_either_of_two_classes_that_tie_in_the_golden_answer_is_right(tmp_path: Path) -> None:
    probe = {"x": GOLDEN_INPUTS["int8"], "y_logits": np.zeros((20, 3), np.int8)}
    bundle = bundle_of(tmp_path / "b", tolerance=Tolerance(delegate_lsb=1), probe=probe)

    result = run_probe(bundle, "fake", Wobbling(CODE, lambda answer: np.array([0, 0, 1])))

    assert result.ok


def test_floats_may_differ_in_their_last_digits_only(tmp_path: Path) -> None:
    near = probed(tmp_path / "a", None, lambda answer: answer * (1 + 1e-7))
    far = probed(tmp_path / "b", None, lambda answer: answer * 1.01)

    assert (near.ok, near.worst_lsb) == (True, 1)
    assert not far.ok


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_output_that_is_no_number_fails(tmp_path: Path, value: float) -> None:
    result = probed(tmp_path / "b", None, lambda answer: np.full_like(answer, value))

    assert not result.ok
    assert "NaN" in result.reason


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_golden_output_that_is_no_number_fails(tmp_path: Path, value: float) -> None:
    golden = {"x": GOLDEN_INPUTS["float32"], "y_logits": np.full((20, 3), value, np.float32)}

    result = run_probe(bundle_of(tmp_path / "b", None, probe=golden), "fake", FakeEngine((2, 2), WEIGHTS, None))

    assert not result.ok
    assert "NaN" in result.reason


def test_differences_of_the_widest_integers_do_not_wrap_around() -> None:
    ends = np.iinfo(np.int64)
    spec = TensorSpec(shape=(1,), dtype="int64")

    assert difference_lsb(np.array([[ends.max]]), np.array([[ends.min]]), spec) > 1 << 20
    assert difference_lsb(np.array([[ends.max]]), np.array([[ends.max - 2]]), spec) == 2


X, Y = GOLDEN_INPUTS["int8"], np.zeros((20, 3), np.int8)
WRONG: dict[str, dict[str, NDArray[Any]]] = {
    "no outputs": {"x": X},
    "an output of another name": {"x": X, "y_scores": Y},
    "an array more": {"x": X, "y_logits": Y, "z": Y},
    "fewer inputs than promised": {"x": X[:19], "y_logits": Y[:19]},
    "inputs of another dtype": {"x": X.astype(np.uint8), "y_logits": Y},
    "outputs of another shape": {"x": X, "y_logits": Y[:, :2]},
}


@pytest.mark.parametrize("probe", WRONG.values(), ids=WRONG.keys())
def test_a_probe_that_does_not_fit_the_artifact_is_refused(tmp_path: Path, probe: dict[str, NDArray[Any]]) -> None:
    bundle = bundle_of(tmp_path / "b", probe=probe)

    with pytest.raises(ArchiveError):
        run_probe(bundle, "fake", FakeEngine((2, 2), WEIGHTS))


def test_golden_arrays_are_handed_out_for_other_comparisons(tmp_path: Path) -> None:
    bundle = bundle_of(tmp_path / "b")

    golden = read_golden(bundle, bundle.artifact("fake"))

    np.testing.assert_array_equal(golden["x"], GOLDEN_INPUTS["int8"])
    assert golden["y_logits"].shape == (20, 3)


def test_an_artifact_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no artifact spiking"):
        run_probe(bundle_of(tmp_path / "b"), "spiking", FakeEngine((2, 2), WEIGHTS))

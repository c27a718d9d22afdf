"""manifest.json: what is read back, and what is refused."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_models.errors import ManifestError
from edge_models.fields import canonical_json
from edge_models.manifest import MAX_MANIFEST_BYTES, Manifest, bundle_id
from edge_models.tensors import QuantParams, TensorSpec

DIGEST = "0" * 64
SPEC = {"shape": [3], "dtype": "int8", "quant": {"scale": 0.5, "zero_point": 0}}
DOCUMENT: dict[str, Any] = {
    "format_version": 1,
    "model": "digits",
    "version": "1.0",
    "serial": 1,
    "task": "classification",
    "labels": ["a", "b", "c"],
    "input": {
        "kind": "image",
        "source": {"shape": [4, 4], "dtype": "uint8"},
        "preprocess": [{"op": "scale", "factor": 1}],
    },
    "files": {name: {"size": 1, "sha256": DIGEST} for name in ("m.tflite", "probe.npz")},
    "artifacts": {
        "tflite-int8": {
            "engine": "tflite",
            "file": "m.tflite",
            "requires": {"runtimes": ["ai-edge-litert"]},
            "input": {"shape": [4, 4, 1], "dtype": "int8", "quant": {"scale": 0.1, "zero_point": -128}},
            "outputs": [{"name": "logits", "role": "logits", "spec": SPEC}],
            "probe": {"file": "probe.npz", "count": 2},
        }
    },
}
INT8 = DOCUMENT["artifacts"]["tflite-int8"]


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = copy.deepcopy(DOCUMENT)
    change(document)
    return json.dumps(document).encode()


def artifact(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["artifacts"]["tflite-int8"]
    return found


def test_a_manifest_is_read_back_as_it_was_written() -> None:
    manifest = Manifest.from_bytes(json.dumps(DOCUMENT).encode())

    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    assert manifest.artifacts["tflite-int8"].files == ("m.tflite", "probe.npz")
    assert manifest.input.source == TensorSpec(shape=(4, 4), dtype="uint8")


def test_the_identity_is_the_digest_of_the_stored_bytes() -> None:
    data = Manifest.from_bytes(json.dumps(DOCUMENT).encode()).to_bytes()

    assert bundle_id(data) == hashlib.sha256(data).hexdigest()
    assert data.endswith(b"}\n")
    assert b": " not in data


def test_fields_of_a_later_writer_are_ignored() -> None:
    assert Manifest.from_bytes(changed(lambda document: document.update(colour="red"))).model == "digits"


def test_a_newer_format_says_to_update_even_when_nothing_else_is_known() -> None:
    with pytest.raises(ManifestError, match="format_version 2, this version reads 1: update Driftline"):
        Manifest.from_bytes(b'{"format_version": 2}')


REFUSED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no format": (lambda d: d.pop("format_version"), "format_version"),
    "format zero": (lambda d: d.update(format_version=0), "format_version"),
    "no model": (lambda d: d.pop("model"), "model"),
    "a model's name with a slash": (lambda d: d.update(model="a/b"), "model"),
    "serial zero": (lambda d: d.update(serial=0), "serial"),
    "another task": (lambda d: d.update(task="magic"), "task"),
    "a path as a file's name": (lambda d: d["files"].update({"../x": {"size": 1, "sha256": DIGEST}}), "file names"),
    "a hidden file": (lambda d: d["files"].update({".x": {"size": 1, "sha256": DIGEST}}), "file names"),
    "an absolute path": (lambda d: d["files"].update({"/etc/passwd": {"size": 1, "sha256": DIGEST}}), "file names"),
    "a file's name with a newline": (lambda d: d["files"].update({"x\n": {"size": 1, "sha256": DIGEST}}), "file names"),
    "itself as a file": (lambda d: d["files"].update({"manifest.json": {"size": 1, "sha256": DIGEST}}), "file names"),
    "a digest in capitals": (lambda d: d["files"]["m.tflite"].update(sha256="A" * 64), "sha256"),
    "a short digest": (lambda d: d["files"]["m.tflite"].update(sha256="ab"), "sha256"),
    "a negative size": (lambda d: d["files"]["m.tflite"].update(size=-1), "size"),
    "a file of a terabyte": (lambda d: d["files"]["m.tflite"].update(size=1 << 40), "size"),
    "no artifact": (lambda d: d.update(artifacts={}), "at least one artifact"),
    "an artifact's name with a path": (lambda d: d["artifacts"].update({"../a": artifact(d)}), "artifact names"),
    "an artifact's file that is not listed": (lambda d: artifact(d).update(file="other.tflite"), "other.tflite"),
    "a probe that is not listed": (lambda d: artifact(d)["probe"].update(file="p.npz"), "p.npz"),
    "a profile that is not listed": (lambda d: artifact(d).update(profile="p.npz"), "p.npz"),
    "no outputs": (lambda d: artifact(d).update(outputs=[]), "at least one output"),
    "two outputs of one name": (lambda d: artifact(d).update(outputs=artifact(d)["outputs"] * 2), "a name of its own"),
    "an output's name with a slash": (lambda d: artifact(d)["outputs"][0].update(name="a/b"), "name"),
    "fewer labels than outputs": (lambda d: d.update(labels=["a", "b"]), "as many labels as outputs"),
    "a scale of zero": (lambda d: artifact(d)["input"]["quant"].update(scale=0), "scale 0"),
    "a quantised float": (lambda d: artifact(d)["input"].update(dtype="float32"), "cannot be quantised"),
    "an empty axis": (lambda d: artifact(d)["input"].update(shape=[0]), "below 1"),
    "seven axes": (lambda d: artifact(d)["input"].update(shape=[1] * 7), "at most 6 items"),
    "an unknown step": (lambda d: d["input"].update(preprocess=[{"op": "magic"}]), "one of resize"),
    "a std of zero": (
        lambda d: d["input"].update(preprocess=[{"op": "normalise", "mean": [0], "std": [0]}]),
        "every std above 0",
    ),
    "a collapsed form that is not there": (lambda d: artifact(d).update(collapsed="other"), "another artifact"),
    "a collapsed form of itself": (lambda d: artifact(d).update(collapsed="tflite-int8"), "another artifact"),
    "a collapsed form of a tflite artifact": (
        lambda d: d["artifacts"].update({"x": {**artifact(d), "collapsed": "tflite-int8"}}),
        "engine spiking",
    ),
    "a collapsed form with another input": (
        lambda d: d["artifacts"].update(
            a={**artifact(d), "engine": "spiking", "collapsed": "b"},
            b={**artifact(d), "engine": "spiking", "input": {"shape": [3], "dtype": "int8"}},
        ),
        "the same input and outputs",
    ),
    "an exit margin without steps": (lambda d: artifact(d).update(exit_margin=3), "only with engine spiking"),
    "a hundred steps": (lambda d: d["input"].update(preprocess=[{"op": "scale", "factor": 1}] * 100), "at most 32"),
    "a parent that is no digest": (lambda d: d.update(provenance={"parent": "x"}), "parent"),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_manifest_is_refused_by_name(change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        Manifest.from_bytes(changed(change))

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff", b"{" * 5000, b'{"format_version": NaN}'])
def test_something_else_than_a_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(ManifestError):
        Manifest.from_bytes(data)


def test_a_manifest_beyond_the_bound_is_refused() -> None:
    with pytest.raises(ManifestError, match="at most"):
        Manifest.from_bytes(b" " * (MAX_MANIFEST_BYTES + 1))


@given(st.data())
def test_a_damaged_manifest_is_refused_or_still_one(data: st.DataObject) -> None:
    stored = bytearray(canonical_json(DOCUMENT))
    for _ in range(data.draw(st.integers(1, 3))):
        stored[data.draw(st.integers(0, len(stored) - 1))] = data.draw(st.integers(0, 255))

    try:
        manifest = Manifest.from_bytes(bytes(stored))
    except ManifestError:
        return

    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


def test_size_bytes_counts_elements_by_their_width() -> None:
    code = QuantParams(scale=0.5, zero_point=0)

    assert TensorSpec(shape=(2, 3), dtype="int8", quant=code).size_bytes == 6
    assert TensorSpec(shape=(2, 3), dtype="float32").size_bytes == 24
    assert TensorSpec(shape=(), dtype="int64").size_bytes == 8


SCORES = {"name": "scores", "role": "logits", "spec": {"shape": [2], "dtype": "float32"}}


def autoencoder(document: dict[str, Any], threshold: float | None = 0.5) -> dict[str, Any]:
    document["task"], document["labels"] = "anomaly", ["normal", "anomaly"]
    spec = {"shape": [16], "dtype": "float32"}
    artifact(document)["outputs"] = [{"name": "out", "role": "reconstruction", "spec": spec}]
    artifact(document)["threshold"] = threshold
    return document


def test_what_the_converter_tells_of_an_artifact_is_read_back() -> None:
    def change(document: dict[str, Any]) -> None:
        autoencoder(document)
        document["provenance"] = {"waivers": [{"gate": "drop", "found": 0.02, "limit": 0.005}]}
        document["input"] |= {"kind": "audio", "source": {"shape": [16], "dtype": "float32"}, "rate_hz": 16000}
        artifact(document)["float_ops"] = ["SOFTMAX"]

    manifest = Manifest.from_bytes(changed(change))

    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    assert manifest.artifacts["tflite-int8"].threshold == 0.5
    assert manifest.artifacts["tflite-int8"].float_ops == ("SOFTMAX",)
    assert manifest.input.rate_hz == 16000
    assert manifest.provenance.waivers[0].gate == "drop"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: artifact(d).update(threshold=0.5), "only with an output of role reconstruction"),
        (lambda d: autoencoder(d).update(labels=["a"]), "labels \\(normal, anomaly\\) for the threshold"),
        (lambda d: autoencoder(d).update(task="regression"), "task anomaly"),
        (lambda d: autoencoder(d, -1.0), "threshold"),
        (lambda d: artifact(autoencoder(d))["outputs"].append(SCORES), "only without logits or probabilities"),
        (
            lambda d: artifact(autoencoder(d))["outputs"][0]["spec"].update(shape=[15]),
            "as many numbers as the input",
        ),
    ],
)
def test_an_anomaly_that_nothing_can_be_held_against_is_refused(
    change: Callable[[dict[str, Any]], object], message: str
) -> None:
    with pytest.raises(ManifestError, match=message):
        Manifest.from_bytes(changed(change))


@pytest.mark.parametrize("name", ["tflite-int8", "probe.npz", "logits", "digits"])
def test_a_name_of_thousands_of_letters_is_told_in_a_line_that_a_person_can_read(name: str) -> None:
    with pytest.raises(ManifestError) as caught:
        Manifest.from_bytes(Manifest.from_bytes(changed(lambda _: None)).to_bytes().replace(name.encode(), b"x" * 5000))

    assert len(str(caught.value)) < 400

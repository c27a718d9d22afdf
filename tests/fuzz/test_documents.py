"""Signed documents are read after their signature is checked; whoever holds a key still cannot crash a device."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_models.channel import Channel, choose
from edge_models.errors import EdgeModelsError, FieldError, ManifestError
from edge_models.manifest import (
    FILE_NAME,
    Artifact,
    BundleId,
    FileEntry,
    InputSpec,
    Manifest,
    NormaliseStep,
    OutputSpec,
    Probe,
    Requires,
    ResizeStep,
    ScaleStep,
)
from edge_models.preprocess import Preprocessor
from edge_models.tensors import QuantParams, TensorSpec
from edge_models.wire import Desired
from tests.fuzz.damage import check_one_line, damaged, fuzzed

pytestmark = pytest.mark.fuzz
ENTRY = FileEntry(size=4, sha256="0" * 64)
CODE = TensorSpec(shape=(8, 8, 1), dtype="int8", quant=QuantParams(scale=0.5, zero_point=-3))
MANIFEST = Manifest(
    format_version=1,
    model="digits",
    version="1.0",
    serial=3,
    task="classification",
    labels=tuple("0123456789"),
    input=InputSpec(
        kind="image",
        source=TensorSpec(shape=(16, 16), dtype="uint8"),
        preprocess=(
            ResizeStep(height=8, width=8),
            ScaleStep(factor=1 / 16),
            NormaliseStep(op="normalise", mean=(0.5,), std=(0.2,)),
        ),
    ),
    files={"model.tflite": ENTRY, "probe.npz": ENTRY},
    artifacts={
        "tflite-int8": Artifact(
            engine="tflite",
            file="model.tflite",
            requires=Requires(runtimes=("ai-edge-litert",), ops={"CONV_2D": 3}),
            input=CODE,
            outputs=(
                OutputSpec(name="logits", role="logits", spec=TensorSpec(shape=(10,), dtype="int8", quant=CODE.quant)),
            ),
            probe=Probe(file="probe.npz", count=8),
            acceptance={"accuracy": 0.97},
        )
    },
).to_bytes()
NEW, OLD = BundleId("b" * 64), BundleId("a" * 64)
CHANNEL = Channel(
    model="digits", channel="stable", rev=4, bundle=NEW, base=OLD, percent=20, seed="w1", listed={OLD: 1, NEW: 2}
).to_bytes()


@fuzzed
@given(st.binary(max_size=2000) | damaged(MANIFEST))
def test_damaged_manifest(data: bytes) -> None:
    try:
        manifest = Manifest.from_bytes(data)
    except ManifestError as exc:
        check_one_line(exc)
        return

    assert all(re.fullmatch(FILE_NAME, name) for name in manifest.files)
    assert {name for artifact in manifest.artifacts.values() for name in artifact.files} <= set(manifest.files)
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


@fuzzed
@given(damaged(MANIFEST))
def test_preprocessing_of_a_damaged_manifest(data: bytes) -> None:
    try:
        Preprocessor(Manifest.from_bytes(data).input)
    except EdgeModelsError as exc:
        check_one_line(exc)


@fuzzed
@given(st.binary(max_size=2000) | damaged(CHANNEL))
def test_damaged_channel_document(data: bytes) -> None:
    try:
        channel = Channel.from_bytes(data)
    except FieldError as exc:
        check_one_line(exc)
        return

    choice = choose(channel, "pi7-cam", Desired(rev=1, bundle=NEW), 1)
    assert choice.bundle is None or choice.bundle in channel.listed

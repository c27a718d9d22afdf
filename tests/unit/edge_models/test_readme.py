"""edge_models/README.md is normative: what the code reads has to be in it."""

from __future__ import annotations

import dataclasses
import itertools
import re
import typing
from pathlib import Path

import pytest

from edge_models import fields, manifest, npz, profile, signals, sketch, steps, tensors

TEXT = Path(manifest.__file__).with_name("README.md").read_text(encoding="utf-8")
CODE = set(re.findall(r"`([^`\s]+)`", TEXT)) | set(re.findall(r"`\|?([^`]+)`", TEXT))
DOCUMENTED = (
    manifest.Manifest,
    manifest.FileEntry,
    manifest.InputSpec,
    *typing.get_args(steps.Step),
    manifest.Artifact,
    manifest.OutputSpec,
    manifest.Requires,
    manifest.Probe,
    manifest.Tolerance,
    manifest.Provenance,
    manifest.Waiver,
    tensors.TensorSpec,
    tensors.QuantParams,
)


def test_every_step_is_documented_under_its_name() -> None:
    names = [op for step in typing.get_args(steps.Step) for op in typing.get_args(fields.hints(step)["op"])]

    assert [name for name in names if name not in CODE] == []


@pytest.mark.parametrize("kind", DOCUMENTED, ids=lambda kind: kind.__name__)
def test_every_field_of_the_manifest_is_documented(kind: type) -> None:
    missing = [field.name for field in dataclasses.fields(kind) if field.name not in CODE]

    assert missing == []


def test_versions_and_bounds_are_those_of_the_code() -> None:
    assert f"format version {manifest.FORMAT_VERSION}\n" in TEXT
    assert f"{manifest.MAX_MANIFEST_BYTES:,} bytes" in TEXT
    assert f"Signals, extractor {signals.EXTRACTOR_VERSION}" in TEXT
    assert f"{sketch.SketchBounds().max_chars:,} characters" in TEXT
    assert f"({sketch.SketchBounds().max_classes})" in TEXT
    assert f"(1 to {profile.MAX_SIGNALS})" in TEXT
    for pattern in (manifest.FILE_NAME, manifest.MODEL_NAME, manifest.OUTPUT_NAME):
        assert f"`{pattern}`" in TEXT


def test_every_dtype_of_an_npz_is_documented() -> None:
    for dtype in npz.DTYPES:
        assert f"{dtype} " in TEXT or f"{dtype}`" in TEXT


def test_every_array_of_a_profile_and_every_signal_is_documented() -> None:
    kinds = (signals.IMAGE_SIGNALS, signals.SPECTROGRAM_SIGNALS, signals.SAMPLE_SIGNALS)
    names = (*profile.ARRAYS, *itertools.chain(*kinds), *signals.OUTPUT_SIGNALS, *signals.ANOMALY_SIGNALS)

    assert [name for name in names if name not in CODE] == []

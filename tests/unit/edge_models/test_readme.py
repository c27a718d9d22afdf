"""edge_models/README.md is normative: what the code reads has to be in it."""

from __future__ import annotations

import dataclasses
import itertools
import re
import typing
from pathlib import Path

import pytest

from edge_models import fields, manifest, npz, profile, signals, sketch, steps, tensors
from edge_models.spiking import archive, ranges, shapes

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
    archive.Header,
    *typing.get_args(typing.get_args(fields.hints(archive.Header)["nodes"])[0]),
    archive.SynapsesHeader,
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


def test_bounds_of_a_spiking_network_are_those_of_the_code() -> None:
    assert f"| `format` | {archive.FORMAT};" in TEXT
    assert f"nodes 1, 2, ..., at most {shapes.MAX_NODES};" in TEXT
    assert (
        f"time steps, 1 to {shapes.MAX_LEVELS}; for `radix` bit planes, 1 to {shapes.MAX_LEVELS.bit_length()} |" in TEXT
    )
    assert f"`shift` = 0 (0 to {shapes.MAX_SHIFT})" in TEXT
    assert f"`name` (1 to {shapes.MAX_NAME} characters" in TEXT
    assert f"more than {shapes.MAX_VALUES:,} values" in TEXT
    assert f"more than {shapes.MAX_PADDED_VALUES:,} with its padding" in TEXT
    limits = (shapes.MAX_PATCH_VALUES, shapes.MAX_SIDE, shapes.MAX_TOTAL_VALUES, shapes.MAX_TOTAL_WEIGHTS)
    assert (*limits, shapes.MAX_WORK) == (2**26, 2**22, 2**23, 2**25, 2**33)
    assert "2^26 values side by side" in TEXT
    assert "a side of a window above 2^22" in TEXT
    assert f"multiples of {shapes.CHANNEL_BLOCK}, more than 2^23 values or 2^25 weights, or more than 2^33\n" in TEXT
    assert ranges.COLLAPSED_LIMIT == 2**24
    assert ranges.COLLAPSED_STEP_LIMIT == 2**21
    assert "reaches 2^24 and no\nthreshold * (T + 1) reaches 2^21" in TEXT


def test_every_dtype_of_an_npz_is_documented() -> None:
    for dtype in npz.DTYPES:
        assert f"{dtype} " in TEXT or f"{dtype}`" in TEXT


def test_every_array_of_a_profile_and_every_signal_is_documented() -> None:
    kinds = (signals.IMAGE_SIGNALS, signals.SPECTROGRAM_SIGNALS, signals.SAMPLE_SIGNALS)
    names = (*profile.ARRAYS, *itertools.chain(*kinds), *signals.OUTPUT_SIGNALS, *signals.ANOMALY_SIGNALS)

    assert [name for name in names if name not in CODE] == []

"""Bundles on disk: whole or refused."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from edge_models.bundle import Bundle, file_entries, open_bundle, open_manifest, write_bundle
from edge_models.errors import BundleError, IntegrityError, ManifestError
from edge_models.manifest import (
    Artifact,
    InputSpec,
    Manifest,
    OutputSpec,
    Probe,
    Requires,
    bundle_id,
)
from edge_models.tensors import TensorSpec

FILES = {"m.tflite": b"model", "probe.npz": b"golden", "report.json": b"{}"}
VECTOR = TensorSpec(shape=(3,), dtype="float32")


def manifest(files: dict[str, bytes], *, serial: int = 1) -> Manifest:
    artifact = Artifact(
        engine="tflite",
        file="m.tflite",
        requires=Requires(runtimes=("ai-edge-litert",)),
        input=VECTOR,
        outputs=(OutputSpec(name="logits", role="logits", spec=VECTOR),),
        probe=Probe(file="probe.npz", count=1),
    )
    return Manifest(
        format_version=1,
        model="digits",
        version="1",
        serial=serial,
        task="classification",
        input=InputSpec(kind="rows", source=VECTOR),
        files=file_entries(files),
        artifacts={"tflite-float": artifact},
    )


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "bundle", manifest(FILES), FILES)


def test_a_written_bundle_opens_with_the_same_identity_and_content(bundle: Bundle) -> None:
    opened = open_bundle(bundle.directory, expected_id=bundle.id)

    assert opened == bundle
    assert opened.id == bundle_id((bundle.directory / "manifest.json").read_bytes())
    assert {name: opened.read(name) for name in FILES} == FILES


def test_equal_content_has_equal_identity_and_other_content_another(tmp_path: Path, bundle: Bundle) -> None:
    again = write_bundle(tmp_path / "again", manifest(FILES), FILES)
    other = write_bundle(tmp_path / "other", manifest(FILES, serial=2), FILES)

    assert again.id == bundle.id
    assert other.id != bundle.id


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_refused(bundle: Bundle, name: str) -> None:
    path = bundle.path(name)
    path.write_bytes(path.read_bytes()[:-1] + b"?")

    with pytest.raises(IntegrityError, match="sha256"):
        open_bundle(bundle.directory)
    with pytest.raises(IntegrityError, match="sha256"):
        bundle.read(name)


@pytest.mark.parametrize("data", [b"", b"mode", b"models"])
def test_a_file_of_another_size_is_refused(bundle: Bundle, data: bytes) -> None:
    bundle.path("m.tflite").write_bytes(data)

    with pytest.raises(IntegrityError, match="the manifest says 5"):
        open_bundle(bundle.directory)
    with pytest.raises(IntegrityError):
        bundle.read("m.tflite")


def test_a_missing_file_is_refused(bundle: Bundle) -> None:
    bundle.path("m.tflite").unlink()

    with pytest.raises(IntegrityError, match="No such file"):
        open_bundle(bundle.directory)
    with pytest.raises(IntegrityError, match="No such file"):
        bundle.read("m.tflite")


def test_a_pipe_or_directory_in_place_of_a_file_is_refused(bundle: Bundle) -> None:
    path = bundle.path("m.tflite")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(IntegrityError, match="not a regular file"):
        open_bundle(bundle.directory)

    path.unlink()
    path.mkdir()
    with pytest.raises(IntegrityError, match="not a regular file"):
        open_bundle(bundle.directory)


def test_only_the_files_asked_for_are_checked(bundle: Bundle) -> None:
    bundle.path("report.json").unlink()

    opened = open_bundle(bundle.directory, files=bundle.artifact("tflite-float").files)

    assert opened.read("m.tflite") == b"model"


def test_a_bundle_with_another_identity_than_expected_is_refused(bundle: Bundle) -> None:
    with pytest.raises(IntegrityError, match="expected 000000000000"):
        open_bundle(bundle.directory, expected_id="0" * 64)


def test_names_that_the_manifest_does_not_list_are_refused(bundle: Bundle) -> None:
    for name in ("other", "../secret", "manifest.json"):
        with pytest.raises(BundleError, match="has no file"):
            bundle.path(name)
    with pytest.raises(BundleError, match="has no artifact spiking, only tflite-float"):
        bundle.artifact("spiking")


def test_a_directory_without_a_manifest_is_refused_with_a_remedy(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ManifestError, match="driftline-convert"):
            open_manifest(directory)


def test_an_oversized_manifest_is_refused_unparsed(bundle: Bundle) -> None:
    (bundle.directory / "manifest.json").write_bytes(b" " * 300_000)

    with pytest.raises(BundleError, match="more than 262144 bytes"):
        open_bundle(bundle.directory)


def test_writing_replaces_an_older_bundle_as_a_whole(tmp_path: Path, bundle: Bundle) -> None:
    fewer = {name: FILES[name] for name in ("m.tflite", "probe.npz")}

    newer = write_bundle(bundle.directory, manifest(fewer, serial=2), fewer)

    assert sorted(path.name for path in newer.directory.iterdir()) == ["m.tflite", "manifest.json", "probe.npz"]
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def interrupted(line: int, work: Callable[[], object]) -> bool:
    """Do ``work`` with Ctrl-C before the n-th line that moves the files; whether it came to that."""
    left = line

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code.co_name not in {"write_bundle", "_write_whole"}:
            return None
        left -= event == "line"
        if left == 0:
            raise KeyboardInterrupt
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(previous)
    return False


def test_wherever_a_write_is_interrupted_a_whole_bundle_is_there(tmp_path: Path) -> None:
    fewer = {name: FILES[name] for name in ("m.tflite", "probe.npz")}
    serials, line, cut = [], 0, True
    while cut:
        write_bundle(tmp_path / "bundle", manifest(FILES), FILES)

        line += 1
        cut = interrupted(line, lambda: write_bundle(tmp_path / "bundle", manifest(fewer, serial=2), fewer))

        serials.append(open_bundle(tmp_path / "bundle").manifest.serial)
    assert set(serials[:-1]) == {1, 2}
    assert serials[-1] == 2


def test_writing_into_an_empty_directory_or_a_new_one_below_a_new_one_works(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    for directory in (tmp_path / "empty", tmp_path / "a" / "b"):
        assert write_bundle(directory, manifest(FILES), FILES).read("m.tflite") == b"model"


def test_writing_over_something_else_is_refused_and_leaves_it_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("keep me")
    file = tmp_path / "precious.txt"

    with pytest.raises(BundleError, match="holds no bundle; choose another"):
        write_bundle(tmp_path, manifest(FILES), FILES)
    with pytest.raises(BundleError, match="not a directory; choose another"):
        write_bundle(file, manifest(FILES), FILES)
    with pytest.raises(BundleError, match="choose another"):
        write_bundle(file / "below", manifest(FILES), FILES)

    assert file.read_text() == "keep me"


def test_a_manifest_for_other_files_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="lists other files"):
        write_bundle(tmp_path / "bundle", manifest(FILES), {**FILES, "report.json": b"[]"})

    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_neither_bundle_nor_remains(tmp_path: Path) -> None:
    long = {**FILES, "x" * 100: b"fits"}
    blocked = tmp_path / ("d" * 250)  # the staging directory's name would exceed 255 bytes

    with pytest.raises(BundleError, match="choose another"):
        write_bundle(blocked, manifest(long), long)

    assert list(tmp_path.iterdir()) == []

"""``audit`` tells people and programs what is wrong with data, and how far they are from the field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.__main__ import main
from converter.audit.field import read_sketches
from converter.audit.target import source_of
from converter.errors import DatasetError, RequestError
from edge_models.bundle import Bundle
from edge_models.preprocess import Preprocessor
from edge_models.profile import Profile
from edge_models.signals import input_signals_batch
from edge_models.sketch import Sketch
from tests.factories.bundles import INT8, make_bundle
from tests.factories.frames import digit_frames
from tests.unit.converter.folders import clip, folder, picture, tone
from tests.unit.converter.recordings import document, write_data, write_recipe

X, Y = digit_frames(400, seed=3)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "bundle")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "d.npz", x=X, y=Y)


def audited(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = 0) -> str:
    assert main(["audit", *map(str, arguments), "--progress", "none"]) == code
    out, err = capsys.readouterr()
    assert err == ""
    return out


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["audit", *map(str, arguments), "--progress", "none"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


def sketched(bundle: Bundle, frames: Any) -> Sketch:
    """What a device counts of frames; its answers do not matter here."""
    profile = Profile.from_npz(bundle.read(bundle.artifact(INT8).profile or ""))
    spec = bundle.manifest.input
    signals = input_signals_batch(spec.kind, Preprocessor(spec).batch(frames))
    values = np.tile(profile.mean.astype(np.float64), (len(frames), 1))
    values[:, : signals.shape[1]] = signals
    sketch = Sketch.of(profile)
    sketch.add_batch(profile.bins(values))
    return sketch


def test_people_see_what_was_looked_at_and_findings_by_weight(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = audited(capsys, data)

    assert text.startswith("data      400 examples, uint8[8, 8]\nclasses   0 ")
    assert "parts     train 26" in text
    assert text.rstrip().rsplit("\n", 1)[-1].startswith("findings: 0 high")


def test_programs_get_one_document(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(audited(capsys, data, "--json"))

    assert (told["n"], told["shape"], told["gap"]) == (400, [8, 8], None)
    assert sum(told["classes"].values()) == sum(told["parts"].values()) == 400
    assert {"check", "severity", "what", "advice", "examples"} == set(told["findings"][0])


def test_strict_fails_for_more_than_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twice = write_data(tmp_path / "twice.npz", x=np.concatenate([X, X]), y=np.concatenate([Y, Y]))

    assert "HIGH      duplicates across parts" in audited(capsys, twice, "--strict", code=1)
    assert "HIGH" in audited(capsys, twice)


def test_a_cut_group_is_a_finding_of_the_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    files = {
        f"{part}/{label}_{site}_{number}.png": picture(rng.integers(0, 256, (9, 9)))
        for part in ("train", "test")
        for label in "xy"
        for site in "ab"
        for number in range(10)
    }
    pattern = r"(?P<part>train|test)/(?P<label>\w)_(?P<group>\w)_"

    text = audited(capsys, folder(tmp_path / "d", files), "--set", f"dataset.pattern={pattern}")

    assert "HIGH      leakage:" in text
    assert "found group a in train and test, expected it in one part" in " ".join(text.split())


def test_a_recipe_reads_other_data(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = write_recipe(tmp_path / "r.yaml", document(dataset={"source": "digits", "test": 0.4}))

    parts = json.loads(audited(capsys, data, "--recipe", recipe, "--json"))["parts"]
    assert parts["test"] == pytest.approx(160, abs=5)
    assert "1797 examples" in audited(capsys, recipe)


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"a/1.png": picture(np.zeros((4, 4))), "a/notes.csv": b""}, "images"),
        ({"a/1.wav": clip(tone())}, "wav"),
        ({"a/1.csv": b"1\n"}, "csv"),
    ],
)
def test_a_folder_is_read_as_what_its_files_are(tmp_path: Path, files: dict[str, bytes], kind: str) -> None:
    assert source_of(str(folder(tmp_path / "d", files))) == f"{kind}:{tmp_path}/d"


def test_a_folder_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="found no pictures, WAV files or tables, expected data or a recipe"):
        source_of(str(folder(tmp_path / "d", {"notes.txt": b"x"})))


def test_the_field_s_own_frames_are_no_gap(bundle: Bundle, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames, _ = digit_frames(500, seed=8)
    sketch = data.with_name("sketch.txt")
    sketch.write_text(sketched(bundle, frames).encode())

    told = json.loads(audited(capsys, data, "--against", sketch, "--bundle", bundle.directory, "--json"))

    assert (told["gap"]["frames"], told["gap"]["sketches"]) == (500, 1)
    assert {signal["verdict"] for signal in told["gap"]["signals"] if signal["distance"] is not None} == {"same"}
    assert not [finding for finding in told["findings"] if finding["check"] == "field gap"]


def test_a_darker_field_is_a_gap_that_names_the_signals(
    bundle: Bundle, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, _ = digit_frames(500, seed=8)
    dark = sketched(bundle, (frames // 2).astype(np.uint8))
    evidence = [
        {"request": "r", "device": f"pi-{number}", "profile": dark.profile_id, "sketch": dark.encode(), "n": 500}
        for number in range(2)
    ]
    path = data.with_name("e.json")
    path.write_text(json.dumps({"v": 1, "evidence": evidence}))

    text = audited(capsys, data, "--against", path, "--bundle", bundle.directory)

    assert "field     1000 frames in 2 sketches" in text
    assert "HIGH      field gap: the field differs from the data in" in text
    assert "mean lower (distance" in text


def test_a_sketch_needs_its_bundle_and_a_bundle_its_sketch(
    bundle: Bundle, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sketch = data.with_name("sketch.txt")
    other = Sketch(profile_id="0" * 16, signals=("mean",), classes=0)
    other.add(np.array([3]))
    sketch.write_text(other.encode())

    assert "--against and --bundle: found one of them, expected both" in refused(capsys, data, "--against", sketch)
    said = refused(capsys, data, "--against", sketch, "--bundle", bundle.directory)
    assert "--against speaks of profile 0000000000000000, the bundle" in said


@pytest.mark.parametrize("text", ["", "{}", "no sketch", '{"sketch": "AAAA"}', "[1]", "\xff"])
def test_files_that_hold_no_sketch_are_one_clear_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "s.txt"
    path.write_text(text, encoding="latin-1")

    with pytest.raises(RequestError) as caught:
        read_sketches(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_data_of_another_form_than_the_bundle_s_are_refused(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sketch = tmp_path / "sketch.txt"
    sketch.write_text(sketched(bundle, X).encode())
    wrong = write_data(tmp_path / "wrong.npz", x=np.repeat(X, 2, axis=1), y=Y)

    said = refused(capsys, wrong, "--against", sketch, "--bundle", bundle.directory)

    assert "found frames of shape (16, 8), expected (8, 8)" in said

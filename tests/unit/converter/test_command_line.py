"""The verbs on finished bundles, and how the program says that something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.__main__ import COMMANDS, main
from edge_models.bundle import Bundle
from edge_models.fields import encode
from tests.architecture.tree import ROOT
from tests.factories.bundles import FLOAT, INT8, make_bundle
from tests.factories.frames import digit_frames
from tests.unit.converter.recordings import document, rows, write_data, write_recipe

X, Y = digit_frames(60, seed=9)
SITES = np.repeat([3, 7], [20, 40])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "bundle", float_artifact=True)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data.npz", x=X, y=Y)


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    """What a successful command prints with --json."""
    code = main([*map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    assert (code, err, out.count("\n")) == (0, "", 1)
    return json.loads(out)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line of a command that is refused with exit code 2."""
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as exc:  # argparse
        code = int(str(exc.code))
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith("driftline-convert: error: ")
    assert err.count("\n") == 1
    return err.removeprefix("driftline-convert: error: ").rstrip("\n")


def test_inspect_gives_id_and_manifest(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "inspect", bundle.directory) == {"bundle": bundle.id, "manifest": encode(bundle.manifest)}


def test_inspect_shows_people_what_a_bundle_is(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(bundle.directory)]) == 0

    out = capsys.readouterr().out
    assert f"bundle      {bundle.id}" in out
    assert "model       digits 1.0, serial 1, classification" in out
    assert "input       image uint8[8, 8]" in out
    assert f"artifact    {INT8}: digits-int8.tflite on ai-edge-litert or tflite-runtime" in out


def test_verify_runs_each_artifact_with_and_without_delegates(
    bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    found = said(capsys, "verify", bundle.directory)

    assert (found["bundle"], found["ok"]) == (bundle.id, True)
    assert set(found["artifacts"]) == {f"{name}{end}" for name in (INT8, FLOAT) for end in ("", " without delegates")}
    plain = found["artifacts"][f"{INT8} without delegates"]
    assert (plain["ok"], plain["worst_lsb"], plain["count"]) == (True, 0, 16)
    assert "litert" in plain["runtime"] or "tflite" in plain["runtime"]


def test_verify_fails_when_golden_outputs_are_of_another_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = make_bundle(tmp_path / "wrong", golden_is_wrong=True)

    assert main(["verify", str(wrong.directory)]) == 1
    assert f"{INT8}: REFUSED (outputs differ by" in capsys.readouterr().out


def test_evaluate_prints_the_accuracy_of_every_artifact(
    bundle: Bundle, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = said(capsys, "evaluate", bundle.directory, data)

    assert found == {
        "n": 60,
        "artifacts": {
            name: {
                "accuracy": pytest.approx(0.95, abs=0.05),
                "low": pytest.approx(0.9, abs=0.1),
                "high": pytest.approx(1, abs=0.05),
            }
            for name in (INT8, FLOAT)
        },
    }


def test_evaluate_tells_each_group_apart(tmp_path: Path, bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_data(tmp_path / "sites.npz", x=X, y=np.where(np.arange(60) < 20, (Y + 1) % 10, Y), group=SITES)

    found = said(capsys, "evaluate", bundle.directory, data, "--artifact", INT8)

    groups = found["groups"][INT8]
    assert [groups[name]["n"] for name in ("3", "7")] == [20, 40]
    assert groups["3"]["accuracy"] < 0.2
    assert groups["7"]["accuracy"] > 0.8
    assert main(["evaluate", str(bundle.directory), str(data)]) == 0
    assert "  group 7: accuracy " in capsys.readouterr().out


def test_evaluate_takes_one_artifact(bundle: Bundle, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = said(capsys, "evaluate", bundle.directory, data, "--artifact", FLOAT)

    assert list(found["artifacts"]) == [FLOAT]


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"x": X.reshape(60, 64), "y": Y}, "found frames of shape (64,), expected (8, 8)"),
        ({"x": X[:, :7], "y": Y}, "found frames of shape (7, 8), expected (8, 8)"),
        (
            {"x": X / np.float32(16), "y": Y},
            "found float32 frames with values that uint8 does not have, expected uint8",
        ),
        ({"x": X, "y": Y + 1}, "found labels 1 to 10, expected 0 to 9"),
        ({"x": X, "y": Y - 1}, "found labels -1 to 8, expected 0 to 9"),
        ({"x": X[:0], "y": Y[:0]}, "found no examples"),
        ({"x": X}, "found arrays x, expected x (n, ...)"),
    ],
)
def test_evaluate_refuses_data_that_the_model_cannot_take(
    tmp_path: Path, bundle: Bundle, capsys: pytest.CaptureFixture[str], arrays: dict[str, Any], expected: str
) -> None:
    data = write_data(tmp_path / "data.npz", **arrays)

    message = refusal(capsys, "evaluate", bundle.directory, data, "--json")

    assert message.startswith(f"{data}: ")
    assert expected in message


def test_evaluate_names_the_artifacts_that_there_are(
    bundle: Bundle, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refusal(capsys, "evaluate", bundle.directory, data, "--artifact", "spiking")

    assert f"has no artifact spiking, only {FLOAT}, {INT8}" in message


def test_an_artifact_that_no_runtime_takes_is_one_line(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = make_bundle(tmp_path / "bad", unknown_op=True)

    assert "DriftlineNobodyKnows" in refusal(capsys, "evaluate", bad.directory, data)
    assert "DriftlineNobodyKnows" in refusal(capsys, "verify", bad.directory)


@pytest.mark.parametrize("verb", ["inspect", "verify", "evaluate"])
@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("missing", "No such file or directory; a bundle is a directory with manifest.json"),
        ("a file", "Not a directory; a bundle is a directory with manifest.json"),
        ("no manifest", "No such file or directory; a bundle is a directory with manifest.json"),
        ("half a manifest", "manifest: found 200 bytes that are not JSON"),
        ("newer manifest", "manifest has format_version 2, this version reads 1: update Driftline"),
    ],
)
def test_what_is_no_bundle_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: Path, verb: str, damage: str, expected: str
) -> None:
    directory = tmp_path / "bundle"
    if damage == "a file":
        directory.write_bytes(b"")
    elif damage != "missing":
        manifest = make_bundle(directory).directory / "manifest.json"
        text = manifest.read_bytes()
        manifest.unlink()
        if damage == "half a manifest":
            manifest.write_bytes(text[:200])
        elif damage == "newer manifest":
            manifest.write_bytes(text.replace(b'"format_version":1', b'"format_version":2'))

    message = refusal(capsys, verb, directory, *([data] if verb == "evaluate" else []))

    assert expected in message


@pytest.mark.parametrize("verb", ["verify", "evaluate"])
def test_a_file_that_differs_from_the_manifest_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: Path, verb: str
) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    model = bundle.path("digits-int8.tflite")
    changed = bytearray(model.read_bytes())
    changed[700] ^= 1
    model.write_bytes(changed)

    message = refusal(capsys, verb, bundle.directory, *([data] if verb == "evaluate" else []))

    assert message.startswith(f"{model}: sha256 ")
    assert "differs from manifest" in message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["train"], "invalid choice: 'train'"),
        (["build"], "the following arguments are required: RECIPE, -o/--output"),
        (["build", "digits", "-o", "x", "--serial", "one"], "argument --serial: invalid int value: 'one'"),
        (["evaluate", "x"], "the following arguments are required: DATA.npz"),
        (["inspect", "x", "--yaml"], "unrecognized arguments: --yaml"),
    ],
)
def test_wrong_usage_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str) -> None:
    message = refusal(capsys, *arguments)

    assert expected in message
    assert "--help`" in message


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere.yaml"], "nowhere.yaml: No such file or directory; expected a recipe file or one of cifar10"),
        (
            ["digits", "--set", "training.epoch=3"],
            "digits: training.epoch: found an unknown key, expected one of epochs",
        ),
        (["digits", "--serial", "0"], "digits: serial: found 0, expected an integer of at least 1"),
        (["digits", "--version", "x" * 65], "digits: version: found 65 characters, expected at most 64 characters"),
        (
            ["digits", "--parent", "nowhere"],
            "nowhere/manifest.json: No such file or directory; a bundle is a directory",
        ),
        (["digits", "--evidence", "e.json"], "e.json: No such file or directory; expected the evidence"),
        (["digits", "--samples", "s.npz"], "s.npz: cannot be read"),
        (["digits", "--init", "m.keras"], "--init m.keras: no such file, expected a Keras model that --keep-model"),
        (
            ["digits", "--set", "dataset.source=cifar"],
            "dataset.source: found 'cifar', expected mnist5k, digits, npz:PATH, images:PATH",
        ),
        (["digits", "--set", "dataset.source=npz:d.npz"], "d.npz: cannot be read"),
    ],
)
def test_build_refuses_wrong_input_and_writes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    message = refusal(capsys, "build", *arguments, "-o", "out", "--progress", "none")

    assert expected in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("data.npz", "data.npz is a file, expected a directory"),
        (".", "found other files in it, expected an empty directory or a bundle"),
        ("data.npz/deeper", "data.npz/deeper: data.npz is a file, expected a directory"),
    ],
)
def test_build_refuses_a_place_that_cannot_take_a_bundle_before_it_works(
    tmp_path: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    output: str,
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    assert expected in refusal(capsys, "build", "digits", "-o", output, "--progress", "none")
    assert [path.name for path in tmp_path.iterdir()] == ["data.npz"]


def test_build_names_the_recipe_that_does_not_fit_its_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = rows(30)
    write_data(tmp_path / "d.npz", x=x.astype(np.float64), y=y)
    recipe = write_recipe(tmp_path / "r.yaml", document(dataset={"source": "npz:d.npz"}, input={"kind": "rows"}))

    message = refusal(capsys, "build", recipe, "-o", tmp_path / "out", "--progress", "none")

    assert message.endswith("save x.astype(np.float32)")
    assert not (tmp_path / "out").exists()


def test_no_verb_loads_tensorflow_into_the_program_itself(bundle: Bundle, data: Path) -> None:
    code = (
        "import sys; from converter.__main__ import main\n"
        "bundle, data = sys.argv[1:]\n"
        "codes = [main(['inspect', bundle]), main(['verify', bundle]), main(['evaluate', bundle, data])]\n"
        "import converter.build\n"
        "print(codes, [name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code, str(bundle.directory), str(data)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.stderr == ""
    assert ended.stdout.splitlines()[-1] == "[0, 0, 0] []"


HEAVY = ("tensorflow", "keras", "sklearn", "mlxtend", "scipy", "pandas", "ai_edge_litert")


@pytest.mark.parametrize("arguments", [[], *([command] for command in COMMANDS)], ids=["driftline-convert", *COMMANDS])
def test_help_is_quick_and_says_what_the_exit_codes_mean(arguments: list[str]) -> None:
    code = (
        "import sys; from converter.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        f"except SystemExit: print('HEAVY', *[name for name in {HEAVY!r} if name in sys.modules])"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("HEAVY\n")
    assert "exit codes: 0 done, 1 failed" in " ".join(ended.stdout.split())
    assert all(command in ended.stdout for command in (arguments or COMMANDS))


def test_a_recipe_with_an_unknown_data_set_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = ["build", "digits", "--set", "dataset.source=nothing", "-o", str(tmp_path / "out")]

    assert main(order) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "dataset.source: found 'nothing'" in line


def test_a_package_that_is_not_installed_is_one_line(
    bundle: Bundle, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "converter.commands.evaluate", raising=False)
    monkeypatch.setitem(sys.modules, "converter.commands.evaluate", None)

    assert main(["evaluate", str(bundle.directory), str(data)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "found no package converter.commands.evaluate" in line

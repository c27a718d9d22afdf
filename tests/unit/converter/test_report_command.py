"""The verb `report`: a page of any bundle, from its report.json or from its manifest alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from converter.__main__ import main
from converter.report import REPORT_FILE, report_bytes, report_document
from edge_models.bundle import Bundle, file_entries, write_bundle
from tests.factories.bundles import INT8, make_bundle
from tests.unit.converter import report_samples as samples

DOCUMENT = report_document(samples.classification())


def with_files(bundle: Bundle, directory: Path, acceptance: dict[str, float], **more: bytes) -> Bundle:
    """The same bundle with other acceptance figures, and more files."""
    manifest = bundle.manifest
    files = {name: bundle.read(name) for name in manifest.files} | {
        name.replace("_", "."): data for name, data in more.items()
    }
    artifacts = {INT8: replace(manifest.artifacts[INT8], acceptance=acceptance)}
    return write_bundle(directory, replace(manifest, files=file_entries(files), artifacts=artifacts), files)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("plain") / "bundle")


@pytest.fixture
def reported(plain: Bundle, tmp_path: Path) -> Bundle:
    return with_files(plain, tmp_path / "bundle", {}, report_json=report_bytes(DOCUMENT))


def test_a_page_is_written_where_the_user_says(
    reported: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"

    assert main(["report", str(reported.directory), "-o", str(page)]) == 0

    assert page.read_text().startswith("<!doctype html>")
    assert reported.id in page.read_text()
    assert capsys.readouterr().out == f"{page}: {page.stat().st_size} bytes, open it in a browser\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "page.html"]


def test_json_is_the_document_with_the_id(reported: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(reported.directory), "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == DOCUMENT | {"bundle": reported.id}


def test_the_page_goes_to_standard_output(reported: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(reported.directory), "-o", "-"]) == 0

    assert capsys.readouterr().out.endswith("</html>\n")


@pytest.mark.parametrize("old", [None, {"model": "digits", "int8_accuracy": 0.9}, [1]])
def test_a_bundle_without_a_report_shows_what_its_manifest_says(
    plain: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str], old: object
) -> None:
    more = {} if old is None else {"report_json": json.dumps(old).encode()}
    figures = {"accuracy": 0.9, "float_accuracy": 0.91, "n_test": 500.0, "agreement": 0.97, "sqnr_db": 22.0}
    bundle = with_files(plain, tmp_path / "bundle", figures, **more)

    assert main(["report", str(bundle.directory), "-o", "-"]) == 0

    page = capsys.readouterr().out
    assert "90.00" in page
    assert f"no {REPORT_FILE} of the present form" in page


def test_an_area_without_a_number_of_examples_is_shown_without_interval(
    plain: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = with_files(plain, tmp_path / "bundle", {"auc": 0.875})

    assert main(["report", str(bundle.directory), "-o", "-"]) == 0

    assert "0.8750" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (".", "found a directory, expected a file such as "),
        ("bundle/page.html", "a file inside of the bundle, whose manifest signs every file; choose another directory"),
        ("none/page.html", "No such file or directory; choose another file"),
    ],
)
def test_a_place_that_cannot_take_the_page_is_refused(
    reported: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str, said: str
) -> None:
    assert main(["report", str(reported.directory), "-o", str(tmp_path / output)]) == 2

    error = capsys.readouterr().err
    assert error.startswith("driftline-convert: error: --output ")
    assert said in error
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_bundle_on_which_nothing_was_measured_is_refused(
    plain: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = with_files(plain, tmp_path / "bundle", {})

    assert main(["report", str(bundle.directory), "-o", str(tmp_path / "page.html")]) == 2

    assert "measure the bundle with `driftline-convert evaluate`" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


def test_a_report_that_was_changed_is_refused(reported: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    (reported.directory / REPORT_FILE).write_text("{}")

    assert main(["report", str(reported.directory), "-o", "-"]) == 2

    assert REPORT_FILE in capsys.readouterr().err

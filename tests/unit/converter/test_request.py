"""What a retraining is given is checked against the bundle that it replaces."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.errors import RequestError
from converter.request import MAX_EVIDENCE_BYTES, read_retraining
from edge_models.bundle import Bundle
from edge_models.npz import write_npz
from edge_models.profile import Profile
from edge_models.sketch import Sketch
from tests.factories.bundles import INT8, make_bundle
from tests.unit.converter.recordings import rows, write_data


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("parent") / "bundle")


def profile_of(bundle: Bundle) -> Profile:
    name = bundle.artifact(INT8).profile
    assert name is not None
    return Profile.from_npz(bundle.read(name))


def entry(bundle: Bundle, **changes: Any) -> dict[str, Any]:
    """What the request of one device says."""
    profile = profile_of(bundle)
    sketch = Sketch.of(profile)
    sketch.add_batch(np.zeros((50, len(profile.signals)), np.int64), np.zeros(50, np.int64))
    said = {"request": "r1", "device": "pi-1", "bundle": bundle.id, "artifact": INT8, "profile": profile.id}
    return said | {"sketch": sketch.encode(), "effects": {"mean": 0.4}} | changes


def evidence_file(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"v": 1, "evidence": entries}), encoding="utf-8")
    return path


def test_evidence_is_read_with_the_profile_that_it_counts_against(tmp_path: Path, parent: Bundle) -> None:
    path = evidence_file(tmp_path / "e.json", entry(parent), entry(parent, device="pi-0", request="r2"))

    retraining = read_retraining(path, None, parent)

    assert retraining.devices == ("pi-0", "pi-1")
    assert [sketch.n for sketch in retraining.sketches] == [50, 50]
    assert retraining.profile is not None
    assert retraining.profile.id == profile_of(parent).id
    assert retraining.samples is None


def test_fields_of_a_newer_writer_are_ignored(tmp_path: Path, parent: Bundle) -> None:
    path = evidence_file(tmp_path / "e.json", entry(parent, mood="cloudy"))

    assert read_retraining(path, None, parent).devices == ("pi-1",)


def test_no_evidence_needs_no_parent(tmp_path: Path) -> None:
    x, y = rows(6)
    samples = write_data(tmp_path / "s.npz", x=x, y=y, group=np.array([3, 3, 3, 5, 5, 5], np.int32))

    retraining = read_retraining(evidence_file(tmp_path / "e.json"), samples, None)

    assert (retraining.sketches, retraining.profile, retraining.devices) == ((), None, ())
    assert retraining.samples is not None
    assert retraining.samples.group.tolist() == [3, 3, 3, 5, 5, 5]
    np.testing.assert_array_equal(retraining.samples.x, x)


def test_samples_without_groups_are_of_one_device(tmp_path: Path) -> None:
    x, y = rows(4)

    retraining = read_retraining(None, write_data(tmp_path / "s.npz", x=x, y=y), None)

    assert retraining.samples is not None
    assert retraining.samples.group.tolist() == [0, 0, 0, 0]


def refusal(evidence: Path | None, samples: Path | None, parent: Bundle | None) -> str:
    with pytest.raises(RequestError) as caught:
        read_retraining(evidence, samples, parent)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "that are not JSON"),
        (b"[]", "found [], expected a mapping with v, evidence"),
        (b"{}", "evidence: found nothing, expected One entry for each request."),
        (b'{"v": 2, "evidence": []}', "v: found 2, expected an integer from 1 to 1"),
        (b'{"evidence": [{"device": "a", "profile": "b"}]}', "evidence[0].sketch: found nothing"),
        (b'{"evidence": [{"device": 3, "profile": "b", "sketch": ""}]}', "evidence[0].device: found 3, expected a str"),
        (
            b'{"evidence": [{"device": "a", "profile": "b", "sketch": "", "effects": {"mean": "x"}}]}',
            "evidence[0].effects.mean: found 'x', expected a finite number",
        ),
        (b'{"evidence": ' + b"[" * 99, "levels of nesting"),
        (b" " * (MAX_EVIDENCE_BYTES + 1), f"expected at most {MAX_EVIDENCE_BYTES} bytes"),
    ],
    ids=["empty", "list", "nothing", "version", "no sketch", "number", "effect", "deep", "huge"],
)
def test_malformed_evidence_is_one_clear_line(tmp_path: Path, parent: Bundle, content: bytes, said: str) -> None:
    path = tmp_path / "e.json"
    path.write_bytes(content)

    message = refusal(path, None, parent)

    assert message.startswith(f"{path}: ")
    assert said in message


def test_missing_evidence_is_named(tmp_path: Path, parent: Bundle) -> None:
    assert "No such file or directory; expected the evidence" in refusal(tmp_path / "e.json", None, parent)
    assert "Is a directory; expected the evidence" in refusal(tmp_path, None, parent)


def test_evidence_needs_the_parent_that_it_speaks_of(tmp_path: Path, parent: Bundle) -> None:
    path = evidence_file(tmp_path / "e.json", entry(parent))
    without_profile = make_bundle(tmp_path / "other", profile=False)

    assert "profile of --parent, which is missing" in refusal(path, None, None)
    assert "the parent bundle has another" in refusal(path, None, without_profile)
    assert "the parent bundle has another" in refusal(
        evidence_file(tmp_path / "f.json", entry(parent, profile="0" * 16)), None, parent
    )


@pytest.mark.parametrize("sketch", ["", "not base64!", "aGVsbG8=", "A" * 4000])
def test_a_damaged_sketch_is_named_with_its_device(tmp_path: Path, parent: Bundle, sketch: str) -> None:
    path = evidence_file(tmp_path / "e.json", entry(parent, sketch=sketch))

    assert refusal(path, None, parent).startswith("evidence of pi-1: ")


def test_the_sketch_of_another_profile_is_refused(tmp_path: Path, parent: Bundle) -> None:
    profile = profile_of(parent)
    other = dataclasses.replace(profile, id="0123456789abcdef")
    path = evidence_file(tmp_path / "e.json", entry(parent, sketch=Sketch.of(other).encode()))

    assert refusal(path, None, parent).startswith("evidence of pi-1: ")


def test_wrong_samples_are_one_clear_line(tmp_path: Path) -> None:
    x, y = rows(4)
    (tmp_path / "text.npz").write_bytes(b"x,y")
    (tmp_path / "empty.npz").write_bytes(write_npz({"x": x[:0], "y": y[:0]}))

    assert refusal(None, tmp_path / "none.npz", None).startswith(f"{tmp_path}/none.npz: cannot be read")
    assert "not a readable .npz" in refusal(None, tmp_path / "text.npz", None)
    assert "found no examples" in refusal(None, tmp_path / "empty.npz", None)

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.errors import LabelError, UnknownIdError, UsageError
from deploy.fleet import samples
from deploy.fleet.arrays import stacked
from deploy.fleet.database import FleetDatabase
from deploy.fleet.ingest import Ingest
from deploy.fleet.labels import labels_from_csv, labels_from_pairs
from deploy.fleet.models import Bundle, Sample
from deploy.retrain.dataset import held_npz, is_held, split, training_npz
from edge_models.npz import read_npz
from edge_models.wire import Topics
from tests.unit.deploy import messages
from tests.unit.deploy.fakes import START_S, FakeClock
from tests.unit.deploy.messages import OLD


@pytest.fixture
def filled(database: FleetDatabase, clock: FakeClock) -> FleetDatabase:
    """Six samples of each of two devices; the classes of the bundle have names."""
    ingest = Ingest(database, Topics(), clock)
    for number in range(6):
        ingest.apply([messages.sample(name, number, value=number) for name in ("pi-1", "pi-2")])
        clock.sleep(1)
    ingest.apply([messages.meta("pi-1"), messages.meta("pi-2")])
    with database.write() as session:
        names = ["zero", "one", "1"]
        session.add(Bundle(id=OLD, model="digits", version="1", serial=1, labels=names, figures={}, noted_at=START_S))
    return database


def give(database: FleetDatabase, **labels: str) -> int:
    with database.write() as session:
        wanted = {key.replace("__", ":").replace("_", "-"): value for key, value in labels.items()}
        return samples.label(session, wanted, labelled_by="ann", now_s=START_S)


def test_a_label_is_an_index_or_a_name_and_a_name_wins(filled: FleetDatabase) -> None:
    assert give(filled, pi_1__1_0="0", pi_1__1_1="one", pi_1__1_2="1") == 3

    with filled.read() as session:
        labelled = samples.listed(session, labelled=True)
    assert [sample.label for sample in labelled] == [0, 1, 2]
    assert {sample.labelled_by for sample in labelled} == {"ann"}


def test_the_same_label_again_changes_nothing(filled: FleetDatabase) -> None:
    assert give(filled, pi_1__1_0="0") == 1
    assert give(filled, pi_1__1_0="zero") == 0


@pytest.mark.parametrize("text", ["3", "-1", "two", "", "\uff11"])
def test_a_label_that_the_model_does_not_have_is_refused_with_all_others(filled: FleetDatabase, text: str) -> None:
    with pytest.raises(LabelError, match="expected one of zero, one, 1, or an index below 3"):
        give(filled, pi_1__1_0="0", pi_1__1_1=text)

    with filled.read() as session:
        assert samples.listed(session, labelled=True) == []


def test_an_unknown_sample_is_refused(filled: FleetDatabase) -> None:
    with pytest.raises(UnknownIdError, match="pi-9:1-1"):
        give(filled, pi_9__1_1="0")


def test_samples_are_listed_by_arrival_and_filtered(filled: FleetDatabase) -> None:
    give(filled, pi_1__1_5="0")

    with filled.read() as session:
        newest = samples.listed(session, device="pi-2", limit=2)
        unlabelled = samples.listed(session, device="pi-1", labelled=False)
        counts = samples.labelled_counts(session, ["pi-1", "pi-2", "pi-3"])

    assert [sample.message for sample in newest] == ["1-4", "1-5"]
    assert len(unlabelled) == 5
    assert counts == {"pi-1": 1, "pi-2": 0, "pi-3": 0}


def test_a_device_that_delivers_without_end_fills_no_disk(
    filled: FleetDatabase, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "MAX_UNLABELLED", 5)
    give(filled, pi_1__1_0="0")
    clock.sleep(1)

    Ingest(filled, Topics(), clock).apply([messages.sample("pi-1", number) for number in (6, 7)])

    with filled.read() as session:
        kept = [sample.message for sample in samples.listed(session, device="pi-1")]
        assert len(samples.listed(session, device="pi-2")) == 6
    assert kept == ["1-0", "1-3", "1-4", "1-5", "1-6", "1-7"]


def test_samples_become_the_arrays_that_the_source_delivered(filled: FleetDatabase) -> None:
    give(filled, pi_1__1_3="1", pi_2__1_4="zero")
    with filled.read() as session:
        chosen = samples.labelled_of(session, "digits")

    x, y = stacked(chosen)

    assert x.dtype == np.uint8
    assert x.shape == (2, 8, 8)
    assert x[:, 0, 0].tolist() == [3, 4]
    assert y.tolist() == [2, 0]
    assert read_npz(held_npz(chosen), max_bytes=10_000, names=("x", "y"))["y"].tolist() == [2, 0]


def test_samples_of_different_shapes_are_not_mixed(filled: FleetDatabase) -> None:
    with filled.write() as session:
        session.get_one(Sample, "pi-1:1-0").shape = [64]
        session.flush()
        with pytest.raises(UsageError, match="expected one dtype and shape"):
            stacked(samples.listed(session, with_data=True))


def test_nobody_to_stack_is_an_error_and_no_crash() -> None:
    with pytest.raises(UsageError, match="found none"):
        stacked([])


def test_each_device_has_a_capped_weight_and_its_newest_samples_count(filled: FleetDatabase) -> None:
    with filled.read() as session:
        everything = samples.listed(session, with_data=True)

    found = split(everything, fraction=0.3, device_cap=3)

    chosen = {sample.id for sample in (*found.train, *found.held)}
    assert chosen == {f"{name}:1-{number}" for name in ("pi-1", "pi-2") for number in (3, 4, 5)}


def test_what_judges_does_not_train(filled: FleetDatabase) -> None:
    with filled.read() as session:
        found = split(samples.listed(session, with_data=True), fraction=0.5, device_cap=100)

    assert not {sample.id for sample in found.train} & {sample.id for sample in found.held}
    assert len(found.train) + len(found.held) == 12
    assert training_npz(found.train) == training_npz(found.train)


@given(identity=st.text(max_size=40), small=st.floats(0.05, 0.9), large=st.floats(0.05, 0.9))
def test_a_larger_share_held_back_only_adds(identity: str, small: float, large: float) -> None:
    small, large = sorted((small, large))

    assert is_held(identity, large) or not is_held(identity, small)


def test_the_share_held_back_is_about_what_was_asked_for() -> None:
    assert 0.27 < sum(is_held(f"pi-1:1-{number}", 0.3) for number in range(2000)) / 2000 < 0.33


def test_pairs_of_words_are_labels() -> None:
    assert labels_from_pairs(["a:1", "3", "b:2", "cat"]) == {"a:1": "3", "b:2": "cat"}


def test_an_id_without_a_label_is_refused() -> None:
    with pytest.raises(LabelError, match="'b:2' has no label"):
        labels_from_pairs(["a:1", "3", "b:2"])


def test_a_table_is_labels_and_rows_without_a_label_are_passed_over(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("\ufeffid,note,label\na:1,blurred,3\nb:2,,\n", encoding="utf-8")

    assert labels_from_csv(str(table), io.StringIO()) == {"a:1": "3"}


def test_a_table_may_come_through_a_pipe() -> None:
    assert labels_from_csv("-", io.StringIO("label,id\n4,c:3\n")) == {"c:3": "4"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file, expected id and label"),
        (b"sample,class\n1,2\n", "found columns sample, class"),
        (b"id,label\n,3\n", "line 2 has label '3' and no id"),
        (b"id,label\na,\xff\n", "no CSV table in UTF-8"),
    ],
)
def test_a_malformed_table_is_one_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    table = tmp_path / "labels.csv"
    table.write_bytes(content)

    with pytest.raises(LabelError, match=message):
        labels_from_csv(str(table), io.StringIO())


def test_a_missing_table_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="No such file"):
        labels_from_csv(str(tmp_path / "none.csv"), io.StringIO())

"""Rows of tables and recordings become examples, or one clear line that names file and line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.datasets import Dataset, load_dataset
from converter.errors import DatasetError
from converter.recipe.dataset import DatasetRecipe
from tests.unit.converter.folders import archive, folder
from tests.unit.converter.recordings import write_data

PUMP = b"time;flow;heat;state;site\r\n09:00;1.5;20;ok;A\r\n09:01;2.5;21;leak;A\r\n09:02;3;22;ok;B\r\n"


def loaded(source: str, **keys: object) -> Dataset:
    return load_dataset(DatasetRecipe(source=source, **keys))  # type: ignore[arg-type]


def refused(source: str, **keys: object) -> str:
    with pytest.raises(DatasetError) as caught:
        loaded(source, **keys)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def table(folder_path: Path, data: bytes, name: str = "pump.csv") -> str:
    return f"csv:{folder(folder_path, {name: data}) / name}"


def test_names_with_one_number_keep_one_order(tmp_path: Path) -> None:
    rows = b"a,k\n" + b"".join(b"1,%s\n" % name for name in (b"1", b"01", b"001", b"0001", b"00001", b"000001"))

    labels = loaded(table(tmp_path, rows), label_column="k").labels

    assert labels == ("000001", "00001", "0001", "001", "01", "1")


def test_groups_are_never_left_empty_or_told_apart_by_their_spelling(tmp_path: Path) -> None:
    rows = b"a,k,g\n1,x,1\n2,y,1.0\n3,x,2\n"
    source = table(tmp_path, rows)

    assert loaded(source, label_column="k", group_column="g").groups == ("1", "2")
    holes = table(tmp_path, rows + b"4,y,\n", "holes.csv")
    assert "line 5: found '' in column g, expected a group" in refused(holes, label_column="k", group_column="g")


def test_a_column_without_any_value_is_left_out(tmp_path: Path) -> None:
    data = loaded(table(tmp_path, b"a;k;\n1;x;\n2;y;\n"), label_column="k")

    assert data.columns == ("a",)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (b"a;b;k\n1,5;1;x\n2;2;y\n", "found numbers with a comma in column a, expected a point"),
        (b"a,a,k\n1,5,x\n2,2,y\n", "found column a twice, expected different names"),
    ],
)
def test_columns_are_not_lost_in_silence(tmp_path: Path, rows: bytes, said: str) -> None:
    assert said in refused(table(tmp_path, rows), label_column="k")


def test_columns_of_numbers_are_the_row_and_others_class_and_group(tmp_path: Path) -> None:
    data = loaded(table(tmp_path, PUMP), label_column="state", group_column="site")

    assert data.x.dtype == np.float32
    np.testing.assert_array_equal(data.x, [[1.5, 20], [2.5, 21], [3, 22]])
    assert (data.columns, data.labels, data.groups) == (("flow", "heat"), ("leak", "ok"), ("A", "B"))
    assert data.y.tolist() == [1, 0, 1]
    assert data.group is not None
    assert data.group.tolist() == [0, 0, 1]


@pytest.mark.parametrize("separator", [b",", b";", b"\t", b"|"])
def test_every_usual_separator_is_found(tmp_path: Path, separator: bytes) -> None:
    rows = b"\xef\xbb\xbfa;b;label\n1;2;x\n\n3;4;y\n".replace(b";", separator)

    np.testing.assert_array_equal(loaded(table(tmp_path, rows), label_column="label").x, [[1, 2], [3, 4]])


def test_without_a_header_columns_have_numbers_and_classes_a_file_of_their_own(tmp_path: Path) -> None:
    files = {"data.csv": b"1,2\n3,4\n5,6\n", "class.csv": b"0\n1\n0\n"}
    place = archive(tmp_path / "w.zip", {f"deep/{name}": data for name, data in files.items()})

    data = loaded(f"csv:{place}/deep/data.csv", label_file="class.csv", labels=("dry", "rain"), columns=("1",))

    np.testing.assert_array_equal(data.x, [[2], [4], [6]])
    assert (data.labels, data.y.tolist()) == (("dry", "rain"), [0, 1, 0])


def test_files_are_recordings_and_a_path_can_say_the_class_of_those_without_the_column(tmp_path: Path) -> None:
    files = {"free/0.csv": b"v\n1\n2\n", "valve/1.csv": b"v,anomaly\n3,0.0\n4,1.0\n", "valve/notes.txt": b"v\n9\n"}
    pattern = r"^(?:(?P<label>free)|valve)/(?P<group>\d)\.csv"

    data = loaded(f"csv:{folder(tmp_path, files)}", label_column="anomaly", pattern=pattern)

    assert data.labels == ("0", "1", "free")
    assert data.y.tolist() == [2, 2, 0, 1]
    assert data.names == ("free/0.csv", "valve/1.csv")
    assert data.file is not None
    assert data.file.tolist() == [0, 0, 1, 1]
    assert data.groups == ("0", "1")


def test_folders_are_classes_when_nothing_else_says_them(tmp_path: Path) -> None:
    place = folder(tmp_path, {"ok/1.csv": b"a\n1\n2\n", "bad/1.csv": b"a\n3\n"})

    data = loaded(f"csv:{place}")

    assert (data.labels, data.y.tolist()) == (("bad", "ok"), [0, 1, 1])


@pytest.mark.parametrize(
    ("rows", "keys", "said"),
    [
        (PUMP.replace(b"2.5", b""), {}, "pump.csv line 3: found '' in column flow, expected a finite number; fill"),
        (PUMP.replace(b"2.5", b"NaN"), {}, "pump.csv line 3: found 'NaN' in column flow"),
        (PUMP.replace(b"22", b"1e99"), {}, "pump.csv line 4: found '1e99' in column heat"),
        (PUMP.replace(b"2.5", b"2,5"), {"columns": ("flow",)}, "line 3: found '2,5' in column flow, expected a finite"),
        (PUMP.replace(b"leak", b""), {}, "pump.csv line 3: found '' in column state, expected a class; fill it"),
        (PUMP, {"label_column": "mode"}, "pump.csv: found columns time, flow, heat, state, site, expected mode among"),
        (PUMP, {"columns": ("cold",)}, "pump.csv: found columns time, flow, heat, state, site, expected cold among"),
        (PUMP, {"group_column": "plant"}, "expected plant among them; mend the name"),
        (PUMP.replace(b";ok;A", b";ok"), {}, "pump.csv line 2: found 4 cells, expected 5 as in line 1"),
        (PUMP.replace(b"leak", b"ok"), {}, "found examples of one class only, expected at least two classes"),
        (
            b"time;state\n09:00;ok\n09:01;bad\n",
            {},
            "pump.csv: found no column of numbers in time, state, expected some",
        ),
        (PUMP[:24], {}, "pump.csv: found no rows, expected some"),
        (b"", {}, "pump.csv: found no rows, expected some"),
        (b"\xff\xfe\x00a", {}, "pump.csv: found bytes that are no UTF-8 text"),
        (PUMP, {"label_column": None}, "pump.csv: found no class for its rows, expected dataset.label_column, dataset"),
    ],
)
def test_wrong_tables_are_one_clear_line(tmp_path: Path, rows: bytes, keys: dict[str, Any], said: str) -> None:
    assert said in refused(table(tmp_path, rows), **({"label_column": "state"} | keys))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"class.csv": b"0\n1\n"}, "/class.csv: found 2 lines, expected a class for each of 3 rows"),
        ({}, "/class.csv: No such file or directory; expected a readable file"),
        ({"class.csv": b"0\n1\n0\n", "more.csv": b"1\n"}, "found dataset.label_file and 2 tables, expected one"),
    ],
)
def test_a_file_of_classes_that_does_not_fit_is_named(tmp_path: Path, files: Mapping[str, bytes], said: str) -> None:
    place = folder(tmp_path, {"data.csv": b"1\n2\n3\n", **files})

    assert said in refused(f"csv:{place}", label_file="class.csv")


def test_recordings_of_an_npz_follow_each_other_with_the_class_of_their_name(tmp_path: Path) -> None:
    path = write_data(tmp_path / "s.npz", ok_1=np.arange(3.0), bad_1=np.arange(4), bad_2=np.ones((2, 1)))

    data = loaded(f"signals:{path}", pattern="^(?P<label>ok|bad)", rate_hz=50.0)

    assert data.x.dtype == np.float32
    assert (data.x.shape, data.rate_hz) == ((9, 1), 50.0)
    assert data.labels == ("bad", "ok")
    assert data.names == ("bad_1", "bad_2", "ok_1")
    assert data.y.tolist() == [0] * 6 + [1] * 3


@pytest.mark.parametrize(
    ("arrays", "keys", "said"),
    [
        (
            {"a": np.zeros(3), "b": np.zeros((3, 2))},
            {},
            "found a with 1 columns and b with 2, expected the same columns",
        ),
        ({"a": np.zeros(3), "b": np.array([0, np.nan])}, {}, "found NaN or infinity in row 1 of b, expected finite"),
        ({"a": np.zeros(3), "b": np.zeros(0)}, {}, "found b (0,) float64, expected numbers (rows,) or (rows, columns)"),
        ({"rate": np.array(4)}, {}, "found no recordings, expected an array (rows, columns) for each"),
        ({"a": np.zeros(3)}, {"pattern": "(?P<label>b)"}, "found no name that dataset.pattern '(?P<label>b)' matches"),
        ({"a": np.zeros(3)}, {"pattern": "a"}, "/a: found no class for it, expected it in a folder"),
    ],
)
def test_wrong_recordings_are_one_clear_line(
    tmp_path: Path, arrays: dict[str, Any], keys: dict[str, Any], said: str
) -> None:
    path = write_data(tmp_path / "s.npz", **arrays)

    found = refused(f"signals:{path}", **keys)

    assert found.removeprefix("signals:").startswith(str(path))
    assert said in found


def test_blocks_cut_each_recording_into_stretches_of_time(tmp_path: Path) -> None:
    path = write_data(tmp_path / "s.npz", a=np.zeros(7), b=np.zeros(3))

    data = loaded(f"signals:{path}", blocks=3)

    assert data.group is not None
    assert [data.groups[index] for index in data.group] == [
        *["a 1/3"] * 3,
        *["a 2/3"] * 2,
        *["a 3/3"] * 2,
        *["b 1/3", "b 2/3", "b 3/3"],
    ]


def test_groups_of_an_npz_are_the_recordings_of_blocks(tmp_path: Path) -> None:
    x = np.zeros((12, 1), np.float32)
    path = write_data(tmp_path / "d.npz", x=x, y=np.arange(12) % 2, group=np.repeat([4, 9], 6))

    data = loaded(f"npz:{path}", blocks=3)

    assert data.groups == ("4 1/3", "4 2/3", "4 3/3", "9 1/3", "9 2/3", "9 3/3")
    assert data.group is not None
    assert data.group.tolist() == np.repeat(np.arange(6), 2).tolist()

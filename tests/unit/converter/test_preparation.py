"""What does not fit together is refused before TensorFlow is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.errors import DatasetError, InputFileError, RecipeError
from converter.preparation import Prepared, prepare
from converter.recipe import load_recipe
from edge_models.manifest import NormaliseStep, WindowStep
from tests.unit.converter.recordings import document, recordings, rows, write_data, write_recipe

WINDOW = {"op": "window", "length": 8, "stride": 4}
ROWS = {"kind": "rows"}
CNN = {"type": "cnn", "halve": "pool", "filters": [4, 4, 4]}
PICTURES, CLASSES = np.zeros((40, 6, 5), np.uint8), np.arange(40) % 2


def prepared(folder: Path, arrays: dict[str, Any], **changes: Any) -> Prepared:
    """Data and recipe as files, then ready for training."""
    write_data(folder / "d.npz", **arrays)
    dataset = {"source": "npz:d.npz"} | changes.pop("dataset", {})
    return prepare(load_recipe(str(write_recipe(folder / "r.yaml", document(dataset=dataset, **changes)))))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "float32"])
def test_the_source_has_shape_and_dtype_of_the_data(tmp_path: Path, dtype: str) -> None:
    x, y = rows(60)

    found = prepared(tmp_path, {"x": x.astype(dtype), "y": y}, input=ROWS)

    assert (found.spec.source.shape, found.spec.source.dtype) == ((3,), dtype)
    inputs = found.inputs(found.parts.train)
    assert inputs.dtype == np.float32
    np.testing.assert_array_equal(inputs, x.astype(dtype)[found.parts.train].astype(np.float32))


@pytest.mark.parametrize(
    ("dtype", "remedy"),
    [("float64", "np.float32"), ("float16", "np.float32"), ("int64", "np.float32"), ("uint32", "np.uint8")],
)
def test_a_dtype_that_no_source_delivers_is_refused_with_the_remedy(tmp_path: Path, dtype: str, remedy: str) -> None:
    x, y = rows(60)
    x = np.arange(180).reshape(60, 3) if dtype == "uint32" else x * 10

    with pytest.raises(DatasetError) as caught:
        prepared(tmp_path, {"x": x.astype(dtype), "y": y}, input=ROWS)

    assert f"found x of dtype {dtype}, expected uint8, int8, int16, float32" in str(caught.value)
    assert str(caught.value).endswith(f"save x.astype({remedy})")


def test_groups_of_the_data_divide_it(tmp_path: Path) -> None:
    x, y, group = recordings()

    found = prepared(tmp_path, {"x": x, "y": y, "group": group}, input=ROWS)

    seen = [set(group[part].tolist()) for part in (found.parts.train, found.parts.profile, found.parts.test)]
    assert sum(len(names) for names in seen) == 6


def test_windows_become_examples_that_no_part_shares(tmp_path: Path) -> None:
    x, y, group = recordings(count=6, length=40, columns=2)

    found = prepared(tmp_path, {"x": x, "y": y, "group": group}, input={"kind": "rows", "preprocess": [WINDOW]})

    assert found.spec.source.shape == (2,)
    assert found.spec.preprocess == (WindowStep(length=8, stride=4),)
    assert found.data.x.shape == (6 * 9, 8, 2)
    assert found.inputs(found.parts.test).shape[1:] == (8, 2)
    assert found.data.group is not None
    in_test = set(found.data.group[found.parts.test].tolist())
    assert not in_test & set(found.data.group[found.parts.train].tolist())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "input.preprocess: found a window step and data without group, expected the number of its recording"),
        ({"dataset": {"limit": 20}, "groups": 6}, "found a window step and dataset.limit, expected one of them"),
        ({"groups": 60}, "found 0 windows of 8 rows with 0 classes, expected at least two"),
        ({"groups": 2}, "found 2 groups, expected at least 3"),
    ],
)
def test_windows_that_cannot_be_cut_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    x, y, _ = recordings(count=6, length=40)
    groups = changes.pop("groups", None)
    arrays = {"x": x, "y": y}
    if groups is not None:
        arrays["group"] = np.arange(len(y)) * groups // len(y)
        arrays["y"] = arrays["group"] % 2

    with pytest.raises(InputFileError) as caught:
        prepared(tmp_path, arrays, input={"kind": "rows", "preprocess": [WINDOW]}, **changes)

    assert said in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("x", "changes", "said"),
    [
        (PICTURES, {"network": CNN}, "network.filters: found 3 for an image of 6 x 5, expected a side of at least 8"),
        (PICTURES[..., 0], {"input": ROWS, "network": CNN}, "found cnn for an input of shape (6,), expected (height"),
        (PICTURES[..., 0], {}, "input.source.shape: found (6,), expected (height, width[, channels]) of an image"),
        (PICTURES, {"input": {"preprocess": [WINDOW]}}, "found window for images, expected it for rows or audio only"),
        (
            PICTURES[..., 0],
            {"input": {"kind": "rows", "preprocess": [{"op": "resize", "height": 2, "width": 2}]}},
            "found resize for rows, expected it for images only",
        ),
        (
            PICTURES[..., 0],
            {"input": {"kind": "rows", "preprocess": [{"op": "standardise", "mean": [0, 0], "std": [1, 1]}]}},
            "input.preprocess[0]: found 2 means, expected 1 or 6",
        ),
        (
            PICTURES[..., 0],
            {"input": ROWS, "augment": {"flip": True}},
            "augment.flip: found it for rows, expected one of time",
        ),
        (
            PICTURES[..., 0],
            {"input": ROWS, "augment": {"noise": 0.1}},
            "augment: found it for single rows, expected windows",
        ),
    ],
)
def test_a_recipe_that_does_not_fit_its_data_is_refused(
    tmp_path: Path, x: Any, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        prepared(tmp_path, {"x": x, "y": CLASSES}, **changes)

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_strided_network_takes_small_images(tmp_path: Path) -> None:
    network = CNN | {"halve": "stride"}

    assert prepared(tmp_path, {"x": PICTURES, "y": CLASSES}, network=network).preprocess.output_shape == (6, 5, 1)


def test_values_that_a_step_makes_infinite_are_refused(tmp_path: Path) -> None:
    x, y = rows(60)
    steps = [{"op": "scale", "factor": 1e300}]

    with pytest.raises(DatasetError, match=r"d\.npz: frame has NaN, infinite or huge values"):
        prepared(tmp_path, {"x": x, "y": y}, input={"kind": "rows", "preprocess": steps})


def test_few_labels_leave_the_rest_of_the_training_part_unlabelled(tmp_path: Path) -> None:
    x, y = rows(100)

    full = prepared(tmp_path, {"x": x, "y": y}, input=ROWS)
    few = prepared(tmp_path, {"x": x, "y": y}, input=ROWS, dataset={"per_class": 3, "unlabelled": ["npz:d.npz"]})

    assert np.bincount(few.data.y[few.parts.train]).tolist() == [3, 3]
    np.testing.assert_array_equal(few.parts.test, full.parts.test)
    rest = np.setdiff1d(full.parts.train, few.parts.train)
    np.testing.assert_array_equal(few.unlabelled, np.concatenate([x[rest], x]))
    np.testing.assert_array_equal(few.unlabelled_inputs(), few.unlabelled)
    assert len(full.unlabelled) == 0


def test_columns_are_standardised_by_the_training_part(tmp_path: Path) -> None:
    x, y = rows(200)
    x = x * np.array([1, 1e-3, 0], np.float32) + np.array([0, 5000, 7], np.float32)

    found = prepared(tmp_path, {"x": x, "y": y}, input={"kind": "rows", "standardise": True})

    inputs = found.inputs(found.parts.train)
    np.testing.assert_allclose(inputs.mean(axis=0), [0, 0, 0], atol=0.3)  # 5000 has steps of 0.0005 in float32
    np.testing.assert_allclose(inputs.std(axis=0), [1, 1, 0], atol=0.05)
    step = found.spec.preprocess[-1]
    assert isinstance(step, NormaliseStep)
    assert step.std[2] == 1.0


def test_pictures_are_standardised_all_together_after_the_recipe_s_steps(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3)).astype(np.uint8)
    steps = [{"op": "scale", "factor": 0.5}]

    found = prepared(
        tmp_path, {"x": x, "y": np.arange(60) % 2}, input={"preprocess": steps, "standardise": True}, network=CNN
    )

    inputs = found.inputs(found.parts.train)
    assert inputs.mean() == pytest.approx(0, abs=1e-4)
    assert inputs.std() == pytest.approx(1, abs=1e-4)
    assert [type(step).__name__ for step in found.spec.preprocess] == ["ScaleStep", "NormaliseStep"]


def test_recordings_of_a_table_are_groups_for_windows(tmp_path: Path) -> None:
    for number in range(6):
        lines = "".join(f"{i},{i // 10}\n" for i in range(20))
        (tmp_path / f"{number}.csv").write_text(f"v,label\n{lines}")
    dataset = {"source": f"csv:{tmp_path}", "label_column": "label"}

    found = prepared(tmp_path, {}, dataset=dataset, input={"kind": "rows", "preprocess": [WINDOW]})

    assert found.data.x.shape == (6 * 4, 8, 1)
    assert found.group_names == tuple(f"{number}.csv" for number in range(6))
    assert (np.diff(found.data.x[..., 0], axis=1) == 1).all()  # no window reaches into the next file


def test_anomalies_become_the_second_class(tmp_path: Path) -> None:
    x, y = rows(90, classes=3)

    found = prepared(tmp_path, {"x": x, "y": y}, task="anomaly", dataset={"normal": ["0", "2"]}, input=ROWS)

    assert found.data.labels == ("normal", "anomaly")
    np.testing.assert_array_equal(found.data.y, y == 1)
    assert not found.data.y[found.parts.train].any()


def test_a_recording_whose_windows_are_learnt_from_is_not_tested(tmp_path: Path) -> None:
    x, _ = rows(40)
    source = {"source": "signals:d.npz", "pattern": "(?P<label>[ab])", "test_from": 140}

    with pytest.raises(DatasetError, match="found group b2 in no part and test, expected it in one part"):
        prepared(
            tmp_path,
            {"a1": x, "b1": x, "a2": x, "b2": x},
            dataset=source,
            input={"kind": "rows", "preprocess": [WINDOW]},
        )

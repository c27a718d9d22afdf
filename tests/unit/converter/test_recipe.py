"""Recipes are strict, and mean the same however they are spelt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from converter.errors import RecipeError
from converter.recipe import MAX_RECIPE_BYTES, CnnRecipe, MlpRecipe, load_recipe, shipped
from tests.unit.converter.recordings import document, write_recipe


def refusal(path: Path, recipe: dict[str, Any], *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(write_recipe(path, recipe)), overrides)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", shipped())
def test_shipped_recipes_are_found_by_their_name(name: str) -> None:
    assert load_recipe(name, (), {"DRIFTLINE_DATA": "/data"}).name == name


def test_a_file_in_the_way_of_a_shipped_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_recipe(tmp_path / "digits", document())

    assert load_recipe("digits").name == "tiny"


def test_what_a_recipe_leaves_out_has_its_default(tmp_path: Path) -> None:
    recipe = load_recipe(str(write_recipe(tmp_path / "r.yaml", document(network={"type": "cnn"}))))

    assert recipe.network == CnnRecipe()
    assert (recipe.serial, recipe.augment, recipe.training.seed) == (1, None, 1)


@pytest.mark.parametrize(
    ("section", "key_path", "allowed"),
    [
        ({"learning_rate": 1}, "learning_rate", "name, model, version"),
        ({"dataset": {"source": "digits", "shuffle": True}}, "dataset.shuffle", "source, unlabelled, pattern, labels"),
        ({"input": {"scale": 2}}, "input.scale", "kind, value_range, preprocess"),
        ({"input": {"preprocess": [{"op": "scale", "by": 2}]}}, "input.preprocess[0].by", "op, factor, offset"),
        ({"network": {"type": "mlp", "filters": [3]}}, "network.filters", "type, hidden, dropout"),
        ({"training": {"lr": 0.1}}, "training.lr", "epochs, batch, learning_rate"),
        ({"augment": {"spread": {"rotation": 3}}}, "augment.spread.rotation", "rotation_deg, zoom"),
        ({"quantize": {"bits": 4}}, "quantize.bits", "calibration"),
        ({"gates": {"max_drop": 0}}, "gates.max_drop", "float_difference, drop"),
        ({"retrain": {"rounds": 1}}, "retrain.rounds", "epochs, learning_rate"),
    ],
)
def test_an_unknown_key_is_named_with_its_file_and_what_may_stand_there(
    tmp_path: Path, section: dict[str, Any], key_path: str, allowed: str
) -> None:
    path = tmp_path / "mine.yaml"

    said = refusal(path, document(**section))

    assert said.startswith(f"{path}: {key_path}: found an unknown key, expected one of ")
    assert allowed in said


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"network": {"type": "rnn"}}, "network.type: found 'rnn', expected one of cnn, mlp"),
        ({"network": {"hidden": [8]}}, "network.type: found null, expected one of cnn, mlp"),
        ({"network": {"type": "cnn", "filters": [8, 0]}}, "network.filters[1]: found 0, expected an integer from 1"),
        ({"training": {"epochs": -1}}, "training.epochs: found -1, expected an integer from 0 to 10000"),
        ({"training": {"epochs": "5"}}, "training.epochs: found '5', expected an integer"),
        ({"training": {"learning_rate": 2}}, "training.learning_rate: found 2, expected a finite number from"),
        ({"task": "regression"}, "task: found 'regression', expected one of classification"),
        ({"model": "My Model"}, "model: found 'My Model', expected a string like"),
        ({"version": 1.0}, "version: found 1.0, expected a string"),
        ({"serial": 0}, "serial: found 0, expected an integer of at least 1"),
        ({"dataset": {}}, "dataset.source: found nothing, expected mnist5k, digits, npz:PATH"),
        ({"dataset": {"source": "digits", "test": 0.5, "profile": 0.5}}, "expected test and profile of together"),
        ({"dataset": {"source": "digits", "labels": "0123456789"}}, "dataset.labels: found '0123456789', expected a"),
        ({"input": {"value_range": [1, 1]}}, "input: found values that do not fit together, expected a value_range"),
        ({"input": {"value_range": [0]}}, "input.value_range: found 1 items, expected 2 items"),
        (
            {"input": {"preprocess": [{"op": "blur"}]}},
            "found 'blur', expected one of resize, crop, greyscale, scale, normalise",
        ),
        ({"augment": {"share": 2}}, "augment.share: found 2, expected a finite number from 0 to 1"),
        ({"network": None}, "network: found null, expected a mapping with type: cnn | mlp"),
    ],
)
def test_a_wrong_value_is_named_with_what_may_stand_there(tmp_path: Path, section: dict[str, Any], said: str) -> None:
    assert said in refusal(tmp_path / "r.yaml", document(**section))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name: [unclosed", "not YAML"),
        (b"name: \xff\xfe", "not YAML"),
        (b"created: 2024-13-45", "not YAML (month must be in 1..12"),
        (b"[" * 500, "not YAML"),
        (b"!!python/object:os.system {}", "not YAML"),
        (b"", "found NoneType, expected keys such as name: and dataset:"),
        (b"name: a\nmodel: m\nname: b\n", "name: found the key again in line 3, expected it once"),
        (b"- one\n- two\n", "found list, expected keys"),
        (b"#" * (MAX_RECIPE_BYTES + 1), f"more than {MAX_RECIPE_BYTES} bytes"),
    ],
    ids=["unclosed", "latin-1", "no such day", "deep", "python", "empty", "twice", "list", "huge"],
)
def test_a_file_that_is_no_recipe_is_one_clear_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(content)

    with pytest.raises(RecipeError) as caught:
        load_recipe(str(path))

    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named_with_the_shipped_recipes(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nowhere\.yaml: No such file.*one of cifar10, "):
        load_recipe(str(tmp_path / "nowhere.yaml"))


def test_overrides_reach_into_sections_and_make_missing_ones(tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "r.yaml", document())

    recipe = load_recipe(str(path), ["training.epochs=3", "network.hidden=[9, 7]", "name=other", "gates.metric=.5"])

    assert recipe.training.epochs == 3
    assert recipe.network == MlpRecipe(hidden=(9, 7))
    assert (recipe.name, recipe.gates.metric) == ("other", 0.5)


def test_the_last_override_of_a_key_counts(tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "r.yaml", document())

    assert load_recipe(str(path), ["training.epochs=3", "training.epochs=4"]).training.epochs == 4


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.epochs", "--set: found 'training.epochs', expected KEY=VALUE"),
        ("training.epoch=3", "training.epoch: found an unknown key, expected one of epochs, batch"),
        ("training.epochs=many", "training.epochs: found 'many', expected an integer"),
        ("training.epochs=[1", "--set training.epochs=[1: found what is not YAML"),
        ("name.first=x", "--set name.first=x: name is no mapping in the recipe"),
        ("=3", ": found an unknown key"),
    ],
)
def test_a_wrong_override_is_one_clear_line(tmp_path: Path, override: str, said: str) -> None:
    assert said in refusal(tmp_path / "r.yaml", document(), override)


def test_two_spellings_of_one_recipe_have_one_digest(tmp_path: Path) -> None:
    short, long = tmp_path / "short.yaml", tmp_path / "long.yaml"
    short.write_text("name: a\nmodel: m\ndataset: {source: digits}\nnetwork: {type: mlp}\n")
    long.write_text(
        "# a remark\nnetwork:\n  dropout: 1.0e-1\n  hidden: [64, 32]\n  type: mlp\nserial: 0x1\n"
        "dataset: {source: digits, test: 0.15, limit: null}\nmodel: 'm'\nname: 'a'\ngates: {}\n"
    )

    assert load_recipe(str(short)).sha256 == load_recipe(str(long)).sha256


def test_what_changes_the_model_changes_the_digest() -> None:
    digests = {
        load_recipe("digits").sha256,
        load_recipe("digits", ["training.seed=2"]).sha256,
        load_recipe("digits", ["network.dense=16"]).sha256,
        load_recipe("mnist5k").sha256,
    }

    assert len(digests) == 4


def test_paths_of_data_are_relative_to_the_recipe_and_no_part_of_its_digest(tmp_path: Path) -> None:
    digests, sources = set(), []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        recipe = load_recipe(
            str(write_recipe(tmp_path / name / "r.yaml", document(dataset={"source": "npz:data/x.npz"})))
        )
        digests.add(recipe.sha256)
        sources.append(recipe.dataset.source)

    assert sources == [f"npz:{tmp_path}/{name}/data/x.npz" for name in ("here", "there")]
    assert len(digests) == 1


def test_an_absolute_path_of_data_stays() -> None:
    recipe = load_recipe("digits", ["dataset.source=npz:/data/x.npz"])

    assert recipe.dataset.source == "npz:/data/x.npz"
    assert replace(recipe, dataset=load_recipe("digits").dataset).sha256 == load_recipe("digits").sha256


def test_folders_of_data_stand_in_paths_by_their_name(tmp_path: Path) -> None:
    section = {"source": "npz:$DATA/x.npz", "unlabelled": ["npz:${DATA}/u.npz"]}
    network = {"type": "saved", "path": "$DATA/m.h5"}
    path = str(write_recipe(tmp_path / "r.yaml", document(dataset=section, network=network)))

    recipe = load_recipe(path, (), {"DATA": "/data"})

    assert recipe.dataset.source == "npz:/data/x.npz"
    assert recipe.dataset.unlabelled == ("npz:/data/u.npz",)
    assert getattr(recipe.network, "path", None) == "/data/m.h5"
    with pytest.raises(RecipeError, match=r"r\.yaml: found \$DATA in a path, expected \$OTHER$"):
        load_recipe(path, (), {"OTHER": "/data"})
    with pytest.raises(RecipeError, match=r"found \$DATA in a path, expected that environment variable to name"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"pattern": "("}, "a regular expression (missing ), unterminated subpattern at position 0)"),
        ({"pattern": "(?P<class>x)"}, "pattern with no other named groups than context, group, label, part"),
        ({"blocks": 4, "group_column": "site"}, "blocks or groups of the data, not both"),
        ({"test_from": 5, "test_groups": ["a"]}, "test_from or test_groups, not both"),
    ],
)
def test_a_section_of_data_that_contradicts_itself_is_refused(
    tmp_path: Path, section: dict[str, Any], said: str
) -> None:
    assert said in refusal(tmp_path / "r.yaml", document(dataset={"source": "digits"} | section))


@pytest.mark.parametrize(
    ("spiking", "said"),
    [
        ({"coding": "radix", "levels": 12}, "expected levels 7 or 15 with coding radix"),
        ({"steps": 4}, "expected steps with coding if alone"),
        ({"surrogate": {}}, "expected surrogate with coding if alone"),
        ({"early_exit": 0.01, "training": {}}, "expected early_exit with coding if"),
        ({"early_exit": 0.01, "coding": "if"}, "section training or surrogate"),
        ({"max_pooling": "strided"}, "expected section training beside max_pooling"),
    ],
)
def test_a_spiking_section_that_no_coding_has_is_refused(tmp_path: Path, spiking: dict[str, Any], said: str) -> None:
    assert said in refusal(tmp_path / "r.yaml", document(spiking=spiking))


@pytest.mark.parametrize(
    ("spiking", "timesteps"),
    [
        ({}, 15),
        ({"levels": 4}, 4),
        ({"coding": "radix"}, 4),
        ({"coding": "radix", "levels": 255}, 8),
        ({"coding": "if", "levels": 4}, 4),
        ({"coding": "if", "levels": 4, "steps": 8}, 8),
    ],
)
def test_time_steps_follow_from_coding_and_levels(tmp_path: Path, spiking: dict[str, Any], timesteps: int) -> None:
    recipe = load_recipe(str(write_recipe(tmp_path / "r.yaml", document(spiking=spiking))))

    assert recipe.spiking is not None
    assert recipe.spiking.timesteps == timesteps


def test_a_spiking_form_of_an_anomaly_model_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path / "r.yaml", document(task="anomaly", spiking={}, network={"type": "autoencoder"}))

    assert "expected task classification with section spiking" in said

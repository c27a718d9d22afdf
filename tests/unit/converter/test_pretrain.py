"""Pre-training is refused where it makes no sense, before anything is trained."""

from __future__ import annotations

from dataclasses import replace

import pytest

from converter.corruptions import Corruption
from converter.errors import RecipeError
from converter.recipe import InputRecipe, PretrainRecipe, load_recipe
from converter.training.pretrain import after_pretraining, check_pretrain

DIGITS = load_recipe("digits")


def refusal(section: PretrainRecipe, kind: InputRecipe) -> str:
    with pytest.raises(RecipeError) as caught:
        check_pretrain(replace(DIGITS, pretrain=section, input=kind))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_rows_have_no_views_to_contrast() -> None:
    said = refusal(PretrainRecipe(), InputRecipe(kind="rows"))

    assert "pretrain.method: found contrastive for rows, expected masked" in said


def test_only_pictures_have_cameras_to_shake() -> None:
    said = refusal(PretrainRecipe(views=Corruption(zoom=1.2)), InputRecipe(kind="audio"))

    assert "pretrain.views: found it for contrastive audio, expected it for contrastive images" in said


def test_a_parameter_that_views_do_not_know_is_named() -> None:
    said = refusal(PretrainRecipe(views=Corruption(stripes=0.2)), InputRecipe(kind="image"))

    assert "pretrain.views: found stripes, expected only rotation_deg, zoom" in said


@pytest.mark.parametrize("kind", ["image", "audio"])
def test_pictures_and_sounds_may_be_contrasted(kind: str) -> None:
    check_pretrain(replace(DIGITS, pretrain=PretrainRecipe(), input=InputRecipe(kind=kind)))  # type: ignore[arg-type]


def test_without_pre_training_everything_learns() -> None:
    assert after_pretraining(DIGITS).part == "all"
    assert after_pretraining(replace(DIGITS, pretrain=PretrainRecipe(then="head"))).part == "head"

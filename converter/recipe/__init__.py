"""Recipes: everything that decides what a model becomes, in one strict YAML file; one module for each section."""

from converter.recipe.dataset import DatasetRecipe, InputRecipe
from converter.recipe.document import MAX_RECIPE_BYTES, Recipe, load_recipe, shipped
from converter.recipe.gates import GatesRecipe
from converter.recipe.network import (
    AutoencoderRecipe,
    Cnn1dRecipe,
    CnnRecipe,
    DsCnnRecipe,
    MlpRecipe,
    MobileNetRecipe,
    NetworkRecipe,
    ResNet8Recipe,
    SavedRecipe,
    TransferRecipe,
)
from converter.recipe.profile import ProfileRecipe
from converter.recipe.quantize import FallbackRecipe, Mode, QatRecipe, QuantizeRecipe
from converter.recipe.spiking import SpikingRecipe, SpikingTrainingRecipe
from converter.recipe.training import (
    AugmentRecipe,
    LabelCurveRecipe,
    PretrainRecipe,
    RetrainRecipe,
    SearchRange,
    SearchRecipe,
    TrainingRecipe,
)

__all__ = [
    "MAX_RECIPE_BYTES",
    "AugmentRecipe",
    "AutoencoderRecipe",
    "Cnn1dRecipe",
    "CnnRecipe",
    "DatasetRecipe",
    "DsCnnRecipe",
    "FallbackRecipe",
    "GatesRecipe",
    "InputRecipe",
    "LabelCurveRecipe",
    "MlpRecipe",
    "MobileNetRecipe",
    "Mode",
    "NetworkRecipe",
    "PretrainRecipe",
    "ProfileRecipe",
    "QatRecipe",
    "QuantizeRecipe",
    "Recipe",
    "ResNet8Recipe",
    "RetrainRecipe",
    "SavedRecipe",
    "SearchRange",
    "SearchRecipe",
    "SpikingRecipe",
    "SpikingTrainingRecipe",
    "TrainingRecipe",
    "TransferRecipe",
    "load_recipe",
    "shipped",
]

"""An int8 network for digits, 400 of them, and the profile that is taken of both."""

from __future__ import annotations

import functools

from converter.artifact import Runnable, open_artifact
from converter.profile import Taken, take_profile
from converter.quantize.inspection import inspect
from edge_models.preprocess import Preprocessor
from edge_models.profile import Profile
from tests.factories.bundles import ASSETS, INPUT
from tests.factories.frames import digit_frames

INT8 = (ASSETS / "digits-int8.tflite").read_bytes()
FRAMES, CLASSES = digit_frames(400, seed=5)
INPUTS = Preprocessor(INPUT).batch(FRAMES)


def int8() -> Runnable:
    return open_artifact(INT8, inspect(INT8, "int8"), "int8", ("logits",))


@functools.cache
def taken() -> Taken:
    return take_profile(int8(), INPUT, INPUTS, 10, y=CLASSES)


def built() -> Profile:
    return taken().profile

"""Our resize against TensorFlow's own, which the models were trained behind."""

from __future__ import annotations

import numpy as np
import pytest

from edge_models.preprocess import resize_bilinear

pytestmark = pytest.mark.integration

SIZES = [
    ((28, 28), (8, 8)),
    ((28, 28), (32, 32)),
    ((8, 8), (28, 28)),
    ((1, 1), (3, 5)),
    ((3, 5), (1, 1)),
    ((7, 13), (13, 7)),
    ((96, 96), (95, 97)),
    ((480, 640), (96, 96)),
    ((480, 640), (224, 320)),
    ((33, 1000), (77, 999)),
]


@pytest.fixture(scope="module")
def tf_image() -> object:
    tensorflow = pytest.importorskip("tensorflow")
    return tensorflow.image


@pytest.mark.parametrize(("source", "result"), SIZES, ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_resize_gives_the_values_of_tf_image_resize(
    tf_image: object, source: tuple[int, int], result: tuple[int, int], dtype: str
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, *source, 3)).astype(dtype)

    theirs = tf_image.resize(images, result, method="bilinear", antialias=False).numpy()  # type: ignore[attr-defined]

    np.testing.assert_allclose(resize_bilinear(images, *result), theirs, rtol=0, atol=1e-4)

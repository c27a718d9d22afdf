"""TensorFlow's errors in the words of somebody who has to mend a model."""

from __future__ import annotations

import pytest

from converter.keras_process.bench import RefusedModelError
from converter.keras_process.unconvertible import explained, refusal_of


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Quantization to 16x8-bit not yet supported for op: 'NEG'.\n",
            "operator NEG (as in LayerNormalization) cannot be converted to int16x8",
        ),
        (
            "Quantization to 16x8-bit not yet supported for op: 'HARD_SWISH'.\n",
            "operator HARD_SWISH (as in hard_swish) cannot be converted to int16x8",
        ),
        (
            "Some ops are not supported by the native TFLite runtime [...] Flex ops: FlexIgamma, FlexRFFT\nDetails:\n",
            "TFLite has no operator for Igamma, RFFT; replace these layers, or compute them in input.preprocess",
        ),
        ("error: 'tf.Igamma' op is neither a custom op nor a flex op", "TFLite has no operator for Igamma; replace"),
    ],
)
def test_a_known_refusal_names_operator_and_remedy(text: str, said: str) -> None:
    with pytest.raises(RefusedModelError) as caught, explained("int16x8"):
        raise RuntimeError(text)

    assert str(caught.value).startswith(said)


def test_another_error_stays_what_it_is() -> None:
    assert refusal_of("No space left on device", "int8") is None
    with pytest.raises(OSError, match="No space left"), explained("int8"):
        raise OSError("No space left on device")

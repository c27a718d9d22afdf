"""Drift signals: a few numbers about one frame and one answer, cheap enough to be taken from every frame.

The profile of an artifact, the agent's detectors and the converter's search for augmentations all use these functions,
so a value means the same on the workstation and on the device. ``x`` is always the float input after preprocessing, in
the model's own units.
"""

from edge_models.signals.answer import (
    ANOMALY_SIGNALS,
    OUTPUT_SIGNALS,
    Answer,
    anomaly_score,
    anomaly_scores,
    anomaly_share,
    class_count,
    output_signal_names,
    output_signals,
    probabilities,
    read_answer,
    softmax,
)
from edge_models.signals.audio import MAX_BANDS, SAMPLE_SIGNALS, SPECTROGRAM_SIGNALS
from edge_models.signals.embedding import MAX_COMPONENTS, Embedding, measured_embedding
from edge_models.signals.image import IMAGE_SIGNALS, MAX_CHANNELS
from edge_models.signals.inputs import MAX_GROUPS, Kind, input_signal_names, input_signals, input_signals_batch
from edge_models.signals.names import signal_names

EXTRACTOR_VERSION = 1
"""Raised when a signal of the same name is computed otherwise; a profile names the version that it was made with."""

__all__ = [
    "ANOMALY_SIGNALS",
    "EXTRACTOR_VERSION",
    "IMAGE_SIGNALS",
    "MAX_BANDS",
    "MAX_CHANNELS",
    "MAX_COMPONENTS",
    "MAX_GROUPS",
    "OUTPUT_SIGNALS",
    "SAMPLE_SIGNALS",
    "SPECTROGRAM_SIGNALS",
    "Answer",
    "Embedding",
    "Kind",
    "anomaly_score",
    "anomaly_scores",
    "anomaly_share",
    "class_count",
    "input_signal_names",
    "input_signals",
    "input_signals_batch",
    "measured_embedding",
    "output_signal_names",
    "output_signals",
    "probabilities",
    "read_answer",
    "signal_names",
    "softmax",
]

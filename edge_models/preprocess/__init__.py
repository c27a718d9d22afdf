"""Preprocessing: the steps of a manifest's input spec, executed with numpy alone.

The converter feeds its training with the same class, so what a model learns from is what it sees on the device.
"""

from edge_models.preprocess.image import resize_bilinear
from edge_models.preprocess.preprocessor import Preprocessor
from edge_models.preprocess.recorded import as_delivered

__all__ = ["Preprocessor", "as_delivered", "resize_bilinear"]

"""How much labels are worth: the same training with few labels of each class, with and without pre-training."""

from converter.labels.curve import label_curve
from converter.labels.trial import Arm, artifact_accuracy, learnt

__all__ = ["Arm", "artifact_accuracy", "label_curve", "learnt"]

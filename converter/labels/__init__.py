"""How much labels are worth: the same training with few labels of each class, with and without pre-training."""

from converter.labels.curve import label_curve
from converter.labels.trial import Arm, Trained, trained

__all__ = ["Arm", "Trained", "label_curve", "trained"]

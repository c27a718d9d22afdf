"""Reference networks in Keras 3, and whether one fits an input; TensorFlow is loaded when one is built, not before."""

from converter.training.networks.build import build_network
from converter.training.networks.check import check_network
from converter.training.networks.parts import EMBEDDING

__all__ = ["EMBEDDING", "build_network", "check_network"]

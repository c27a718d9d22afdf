"""Data sets: examples with labels, and splits that never cut a group."""

from converter.datasets.dataset import Dataset
from converter.datasets.load import load_dataset
from converter.datasets.split import Splits, split

__all__ = ["Dataset", "Splits", "load_dataset", "split"]

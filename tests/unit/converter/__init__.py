"""Tests of the converter that load no TensorFlow."""

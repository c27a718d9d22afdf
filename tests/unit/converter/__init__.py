"""The converter, without TensorFlow."""

"""The converter: data and a recipe in, a measured, gated int8 bundle out; the only user of TensorFlow."""

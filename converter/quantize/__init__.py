"""From a trained Keras model to .tflite files, in a process of its own, and a look at what came out."""

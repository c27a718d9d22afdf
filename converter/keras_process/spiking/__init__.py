"""From a trained Keras model to a network of linear maps and rectifiers, and its fine-tuning for spikes."""

"""From a trained network to a spiking one: folding, thresholds, integers, and what is measured on it."""

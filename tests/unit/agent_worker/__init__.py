"""The inference worker without processes: pipeline, sources, drift, windows, samples and the loop."""

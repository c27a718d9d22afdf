"""Training: networks, the mix of images they learn from, and the loop."""

"""From the evidence of drifted devices to pictures that look like theirs: what retraining adds to the original data."""

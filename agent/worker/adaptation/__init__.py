"""Learning on the device from labelled feedback: a bridge until a better model comes, off unless asked for."""

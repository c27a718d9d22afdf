"""Quantisation-aware training, with the environment that the step ``qat`` makes."""

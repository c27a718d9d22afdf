"""Quantisation-aware training: the trained network learns on with simulated int8, in an environment of its own.

TensorFlow's tool for it, tensorflow-model-optimization, knows only the layers of Keras 2. So the network is described
layer by layer by the TensorFlow process (Keras 3), and built again by a second process, ``python -m converter.qat`` in
``.venv-qat``, which then obeys the same orders as the first.
"""

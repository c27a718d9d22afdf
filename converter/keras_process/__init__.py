"""TensorFlow in a process of its own: it trains, exports and converts, and a crash of it is an error here.

The program itself never loads TensorFlow. So ``--help`` is quick, nothing but our own progress reaches the terminal,
Ctrl-C is obeyed at once, and augmentation of the next epoch runs beside the training of this one.
"""

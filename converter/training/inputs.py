"""What the training asks of preprocessing."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Inputs(Protocol):
    """From examples to the model's inputs."""

    def batch(self, examples: NDArray[Any], /) -> NDArray[np.float32]:
        """Inputs (n, ...) of n examples."""

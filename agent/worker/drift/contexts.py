"""The conditions that are all right: those of the profile, and those learnt on this device.

An operator who says that the present input is normal, or a bundle that was made for it, gives it a name; what comes
next is measured until there are enough independent frames, and becomes a context like day and night are. Until then
nothing is tested: there is nothing to test against.
"""

from __future__ import annotations

import logging
import re

import numpy as np
from numpy.typing import NDArray

from edge_models.profile import (
    CONTEXT_NAME,
    MAX_CONTEXTS,
    Context,
    Profile,
    contexts_from_npz,
    contexts_to_npz,
    measured_context,
)

log = logging.getLogger(__name__)

LEARNT_FRAMES = 400  # a mean rank is then known to .05, 3.5 standard errors: the bound allows for it


class Contexts:
    """Known contexts, and one that is being learnt.

    Args:
        profile: The reference; its contexts stay.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._learnt: tuple[Context, ...] = ()
        self._name: str | None = None
        self._values: list[NDArray[np.floating]] = []
        self._predicted: list[int] = []

    @property
    def known(self) -> tuple[Context, ...]:
        """Those of the profile first; four at most, of which the last learnt one always is one."""
        own = self._profile.contexts[: MAX_CONTEXTS - bool(self._learnt)]
        own = tuple(context for context in own if context.name not in {learnt.name for learnt in self._learnt})
        return own + self._learnt[-(MAX_CONTEXTS - len(own)) :] if self._learnt else own

    @property
    def is_learning(self) -> bool:
        """Whether one is being learnt."""
        return self._name is not None

    def learn(self, name: str) -> None:
        """Begin to learn one, from nothing; one of the same name is replaced at the end."""
        if not re.fullmatch(CONTEXT_NAME, name):
            log.warning("context name=%r not learnt, expected a-z, 0-9, _ and -, at most 32", name)
            return
        self._name = name
        self._values, self._predicted = [], []

    def add(self, values: NDArray[np.floating], predicted: int | None) -> bool:
        """Take an independent frame; whether the context is known now."""
        if self._name is None:
            return False
        self._values.append(np.array(values, np.float64))
        if predicted is not None:
            self._predicted.append(predicted)
        if len(self._values) < LEARNT_FRAMES:
            return False
        predictions = np.array(self._predicted) if len(self._predicted) == len(self._values) else None
        new = measured_context(self._profile, self._name, np.stack(self._values), predictions)
        kept = tuple(context for context in self._learnt if context.name != new.name)
        self._learnt = (*kept, new)[-MAX_CONTEXTS:]
        self.stop()
        return True

    def stop(self) -> None:
        """Learn no more; what was gathered is gone."""
        self._name = None
        self._values, self._predicted = [], []

    def forget(self) -> bool:
        """Drop all that were learnt; whether there were any."""
        had, self._learnt = bool(self._learnt), ()
        return had

    def save(self) -> bytes:
        """Those learnt, for a later worker; empty for none."""
        return contexts_to_npz(self._learnt, self._profile) if self._learnt else b""

    def restore(self, data: bytes) -> None:
        """Take up those of an earlier worker; none when they were learnt against another profile.

        Raises:
            ArchiveError: They are damaged.
        """
        self._learnt = contexts_from_npz(data, self._profile) if data else ()

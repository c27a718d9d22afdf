"""The e-detectors as detectors of River: they take a stream and set ``drift_detected``.

They follow River's conventions (``river.checks.check_estimator`` passes: parameters are attributes of the same names,
clones start anew) and compute with ``edge_models.drift`` alone. ``river.base`` costs 1 MB and loads no scipy.

The agent itself uses the same cores without River (``agent.worker.drift.e_detectors``), so a device where River cannot
be installed watches alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from river.base import BinaryDriftDetector, DriftDetector

from edge_models import drift
from edge_models.profile import build_profile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_models.profile import Profile

MONTH_AT_1_HZ = 2_592_000.0  # frames: one false alarm in a month of a source with a frame in a second


class _Checked:
    """What River's checks ask of an estimator and its own base of detectors lacks."""

    @property
    def _tags(self) -> set[str]:
        return set()

    @classmethod
    def _unit_test_skips(cls) -> set[str]:
        return set()


class EBank(_Checked, DriftDetector):
    """The e-detector bank against a reference profile.

    Args:
        profile: The reference, as a bundle holds it.
        threshold: Average run length to a false alarm, in updates, at least.
        dead_band: Shift in standard deviations that does not count.

    References:
        Shin, Ramdas & Rinaldo 2022, "E-detectors: a nonparametric framework for sequential change detection".

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> reference = build_profile(("level", "tone"), rng.normal(size=(2000, 2)), None, 0)
        >>> bank = EBank(reference, threshold=10_000)
        >>> for frame in range(1000):
        ...     shift = 1.0 if frame >= 500 else 0.0
        ...     bank.update({"level": rng.normal() + shift, "tone": rng.normal()})
        ...     if bank.drift_detected:
        ...         print(frame, bank.ranked(1)[0][0])
        ...         break
        540 level
    """

    def __init__(
        self, profile: Profile, threshold: float = MONTH_AT_1_HZ, dead_band: float = drift.DEAD_BAND_SD
    ) -> None:
        super().__init__()
        self.profile = profile
        self.threshold = threshold
        self.dead_band = dead_band
        self._bets = drift.Bets(profile, None, dead_band)
        self._bank = drift.EBank(self._bets, threshold)

    @classmethod
    def _unit_test_params(cls) -> Iterator[dict[str, Any]]:
        rng = np.random.default_rng(0)
        yield {"profile": build_profile(("level", "tone"), rng.normal(size=(256, 2)), rng.integers(3, size=256), 3)}

    def update(self, x: float | Mapping[str, float], predicted: int | None = None) -> None:
        """Take one frame.

        Args:
            x: Its signals by name, or the number itself for a profile of one signal. One that is missing or no finite
                number neither wins nor loses.
            predicted: The class that the model predicted, if it predicts classes.
        """
        names = self.profile.signals
        given = x if isinstance(x, Mapping) else dict.fromkeys(names[:1], x)
        values = np.array([given.get(name, np.nan) for name in names], np.float64)
        g = self._bets.of(self._bets.columns.of(values), predicted)
        self._drift_detected = self._bank.update(g)

    def ranked(self, count: int = 5) -> list[tuple[str, float]]:
        """Signals and classes that the evidence is about, the strongest first, with their shares of it."""
        return self._bank.ranked(count)


class ClassPrior(_Checked, DriftDetector):
    """The e-process for shares of predicted classes; ``update`` takes a class index.

    Args:
        prior: Shares of the classes in the reference.
        n_ref: Independent frames that they were measured on.
        threshold: Average run length to a false alarm, in updates, at least.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> classes = ClassPrior(prior=(0.5, 0.3, 0.2), n_ref=4000, threshold=10_000)
        >>> for frame in range(2000):
        ...     shares = (0.5, 0.3, 0.2) if frame < 500 else (0.2, 0.3, 0.5)
        ...     classes.update(rng.choice(3, p=shares))
        ...     if classes.drift_detected:
        ...         print(sorted(name for name, _ in classes.ranked(2)))
        ...         break
        ['class_0', 'class_2']
    """

    def __init__(
        self, prior: Sequence[float] = (0.5, 0.5), n_ref: int = 1000, threshold: float = MONTH_AT_1_HZ
    ) -> None:
        super().__init__()
        self.prior = prior
        self.n_ref = n_ref
        self.threshold = threshold
        self._core = drift.ClassPrior(np.asarray(prior, np.float64), n_ref, threshold)

    def update(self, x: float) -> None:
        """Take one predicted class."""
        self._drift_detected = self._core.update(int(x))

    def ranked(self, count: int = 5) -> list[tuple[str, float]]:
        """Classes that are more or less frequent than the reference allows, with their shares of the difference."""
        return self._core.ranked(count)


class ErrorRate(_Checked, BinaryDriftDetector):
    """The e-process for errors; ``update`` takes whether an answer was wrong.

    Args:
        reference_error: Share of wrong answers on the reference.
        threshold: Average run length to a false alarm, in labels, at least.
        tolerance: What may be added to the reference's share.

    Examples:
        >>> errors = ErrorRate(reference_error=0.07)
        >>> for answer in range(20):
        ...     errors.update(answer >= 5)
        ...     if errors.drift_detected:
        ...         print(answer)
        ...         break
        11
    """

    def __init__(
        self,
        reference_error: float = 0.05,
        threshold: float = MONTH_AT_1_HZ,
        tolerance: float = drift.ERROR_TOLERANCE,
    ) -> None:
        super().__init__()
        self.reference_error = reference_error
        self.threshold = threshold
        self.tolerance = tolerance
        self._core = drift.ErrorRate(reference_error, threshold, tolerance)

    def update(self, x: bool) -> None:  # noqa: FBT001 - River's interface
        """Take one labelled answer."""
        self._drift_detected = self._core.update(bool(x))

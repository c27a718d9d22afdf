"""How right the spiking forms are, beside the float net and the fine-tuned net in floating point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.measure.proportion import paired_drop
from converter.spiking.early_exit import early_exits, margin_within
from converter.spiking.float_network import FloatNetwork
from converter.spiking.forward import logits
from edge_models.spiking.installed import load
from edge_models.spiking.kernel import Kernel
from edge_models.spiking.network import Network
from edge_models.spiking.reference import Reference
from tests.benchmarks.harness import Row, Target, Value
from tests.benchmarks.spikes.nets import CALIBRATION, IF_STEPS, Made, Nets

ALLOWED_POINTS = {4: 1.5, 8: 0.7, 15: 0.3}
"""What fine-tuned ATF may lose against the float net, by levels."""
RADIX_PLANES = 4
EARLY_LOSS = 0.002
"""Share of the accuracy that stopping early may cost where its margin is chosen."""
CALIBRATED_LEVELS = 8
_BATCH = 256


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Right:
    """Which test examples a form gets right, (n,)."""

    hits: NDArray[np.bool_]

    @property
    def percent(self) -> float:
        return 100 * float(self.hits.mean())

    def lost(self, other: _Right) -> tuple[float, str]:
        """Points that this one has less than ``other``, with the 95 % interval."""
        lost, won = int((other.hits & ~self.hits).sum()), int((self.hits & ~other.hits).sum())
        drop = paired_drop(lost, won, len(self.hits), np.random.default_rng(0))
        return 100 * drop.value, f"{100 * drop.low:.2f}..{100 * drop.high:.2f}"


class Accuracies:
    """Measures each form on the test part once."""

    def __init__(self, nets: Nets) -> None:
        self._nets = nets
        self._codes, self._inputs, self._y = nets.test
        self._float = self._of_float(nets.ann(), None)

    def rows(self) -> Iterator[tuple[Row, list[Target]]]:
        """A line for each form, and what it has to reach."""
        yield Row(name="float net", values={"accuracy %": round(self._float.percent, 2), "n": len(self._y)}), []
        for levels, allowed in ALLOWED_POINTS.items():
            yield self._tuned(levels, allowed)
        yield self._radix()
        calibrated = self._nets.calibrated(CALIBRATED_LEVELS)
        network = self._nets.integers(calibrated.network, "atf", CALIBRATED_LEVELS)
        name = f"ATF T={CALIBRATED_LEVELS}, {CALIBRATION} calibration images, no training"
        yield self._line(name, calibrated, network, allowed=2.0)
        yield from self._plain_spikes()

    def _tuned(self, levels: int, allowed: float) -> tuple[Row, list[Target]]:
        made = self._nets.tuned(levels)
        exact = self._of_float(made.network, levels)
        name = f"ATF L={levels}, T={levels}, fine-tuned"
        row, targets = self._line(name, made, self._nets.integers(made.network, "atf", levels), allowed)
        reached = float(row.values["accuracy %"] or 0)
        values = {**row.values, "quantised float %": round(exact.percent, 2)}
        target = Target(
            name=f"L={levels}: points that int8 loses against the float quantised net",
            value=round(exact.percent - reached, 3),
            op="<=",
            target=0.1,
        )
        return Row(name=row.name, values=values), [*targets, target]

    def _radix(self) -> tuple[Row, list[Target]]:
        levels = (1 << RADIX_PLANES) - 1
        made = self._nets.tuned(levels)
        network = self._nets.integers(made.network, "radix", RADIX_PLANES)
        row, targets = self._line(f"radix T={RADIX_PLANES}, the net of L={levels}", made, network, allowed=0.3)
        same = Reference(self._nets.integers(made.network, "atf", levels))
        some = self._codes[:1000]
        differing = int((batched_logits(Reference(network), some) != batched_logits(same, some)).any(axis=1).sum())
        equal = Target(
            name="radix T=4 against ATF L=15: images whose logits differ", value=differing, op="==", target=0
        )
        return row, [*targets, equal]

    def _plain_spikes(self) -> Iterator[tuple[Row, list[Target]]]:
        before = self._nets.tuned(IF_STEPS)
        network = self._nets.integers(before.network, "if", IF_STEPS)
        row, _ = self._line(f"if T={IF_STEPS}, fine-tuned for L={IF_STEPS} alone", before, network, allowed=None)
        yield row, []
        made = self._nets.learnt_through_spikes()
        name = f"if T={IF_STEPS}, then through its spikes"
        network = self._nets.integers(made.network, "if", IF_STEPS)
        yield self._line(name, made, network, allowed=4.0)
        yield self._early(name, network), []

    def _early(self, name: str, network: Network) -> Row:
        """Stopping when the answer is decided; the margin is chosen on the profile part, which is no test."""
        found = early_exits(network, *self._nets.profile)
        margin = margin_within(found, EARLY_LOSS)
        if margin is None:
            return Row(name=f"{name}, early exit", values={"mean steps": float(network.steps)})
        executor = Reference(network) if load() is None else Kernel(network)
        answers = [executor.run_early(x, margin) for x in self._codes]
        hits = np.array([answer.logits.argmax() for answer in answers]) == self._y
        values: dict[str, Value] = {
            "accuracy %": round(100 * float(hits.mean()), 2),
            "mean steps": round(float(np.mean([answer.steps for answer in answers])), 2),
            "n": len(self._y),
        }
        return Row(name=f"{name}, early exit", values=values)

    def _line(self, name: str, made: Made, network: Network, allowed: float | None) -> tuple[Row, list[Target]]:
        found = _Right(hits=batched_logits(Reference(network), self._codes).argmax(axis=1) == self._y)
        lost, interval = found.lost(self._float)
        values: dict[str, Value] = {
            "accuracy %": round(found.percent, 2),
            "lost pt": round(lost, 2),
            "lost 95 %": interval,
            "minutes": round(made.seconds / 60, 1),
            "n": len(self._y),
        }
        if allowed is None:
            return Row(name=name, values=values), []
        target = Target(
            name=f"{name}: points lost against the float net", value=round(lost, 3), op="<=", target=allowed
        )
        return Row(name=name, values=values), [target]

    def _of_float(self, network: FloatNetwork, levels: int | None) -> _Right:
        return _Right(hits=logits(network, self._inputs, levels=levels).argmax(axis=1) == self._y)


def batched_logits(reference: Reference, codes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Logits (n, classes) of centred codes (n, height, width, channels), in batches that fit the memory."""
    parts = [reference.run_batch(codes[start : start + _BATCH])[0] for start in range(0, len(codes), _BATCH)]
    return np.concatenate(parts)

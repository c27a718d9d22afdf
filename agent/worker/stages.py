"""How long the parts of a frame take, added up since the worker started; each addition costs a fraction of 1 us."""

from __future__ import annotations

from agent.worker.pipeline import StageTimes
from edge_models.latency import Latency


class Stages:
    """Histograms by stage: preprocess, infer, drift (signals, detectors, window) and frame, which is all of them."""

    def __init__(self) -> None:
        self._preprocess, self._infer, self._drift, self._frame = Latency(), Latency(), Latency(), Latency()

    def add(self, times: StageTimes, drift_us: float) -> None:
        """Count one frame that was run.

        Args:
            times: Of the pipeline.
            drift_us: For signals, detectors and window.
        """
        self._preprocess.add(times.preprocess_us)
        self._infer.add(times.infer_us)
        self._drift.add(drift_us)
        self._frame.add(times.latency_us + drift_us)

    def encoded(self) -> dict[str, str]:
        """Those that hold anything, by name, as ``edge_models.latency`` encodes them."""
        if self._frame.n == 0:
            return {}
        every = {"preprocess": self._preprocess, "infer": self._infer, "drift": self._drift, "frame": self._frame}
        return {name: latency.encoded() for name, latency in every.items()}

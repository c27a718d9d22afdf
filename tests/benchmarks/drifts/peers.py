"""alibi-detect and Frouros over streams in files; runs where extra ``peers-drift`` is, and imports nothing of ours.

    python tests/benchmarks/drifts/peers.py FOLDER CONTESTANT

FOLDER holds ``reference.npz`` (``values``) and streams ``N.npz`` (``values``, ``change``). A line of JSON on stdout for
each contestant and stream, and one for what a contestant costs to set up. Signals are standardised by the reference:
kernels want one scale.
"""

from __future__ import annotations

import json
import pickle
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

WINDOW, REFERENCE = 60, 1000
MMD_ERT, MMD_BOOTSTRAPS = 500.0, 1000  # an ERT of a month at one frame a second would take some ten million of them
CVM_ERT, CVM_WINDOW, CVM_FEATURES = 200.0, 40, 4
KS_ALPHA = 0.001
BUDGET_S = 60.0  # of CPU for each contestant: the streams that it did not come to are left out

Update = Callable[[Any], bool]


def main(folder: Path, name: str) -> int:
    """Run a contestant over every stream."""
    reference = np.load(folder / "reference.npz")["values"]
    mean, std = reference.mean(axis=0), np.maximum(reference.std(axis=0), 1e-6)
    standardised = ((reference - mean) / std).astype(np.float32)
    streams = [_stream(path, mean, std) for path in sorted(folder.glob("[0-9]*.npz"))]
    started = time.process_time()
    fresh = CONTESTANTS[name](standardised)
    size = _size(fresh())
    print(json.dumps({"setup_s": time.process_time() - started, "state_bytes": size}), flush=True)
    for found in _raced(fresh, streams):
        print(json.dumps(found), flush=True)
    print(json.dumps({"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)
    return 0


def _stream(path: Path, mean: Any, std: Any) -> tuple[str, Any, int]:
    arrays = np.load(path)
    return path.stem, ((arrays["values"] - mean) / std).astype(np.float32), int(arrays["change"])


def _raced(fresh: Callable[[], Any], streams: list[tuple[str, Any, int]]) -> Iterator[dict[str, object]]:
    begun = time.process_time()
    for stem, values, change in streams:
        if time.process_time() - begun > BUDGET_S:
            return
        update, false, delay, position = fresh(), 0, None, 0
        started = time.process_time()
        for position, row in enumerate(values):
            if not update(row):
                continue
            if position >= change:
                delay = position - change + 1
                break
            false += 1
            update = fresh()
        spent_s = time.process_time() - started
        frames = position + 1
        yield {"stream": stem, "delay": delay, "false": false, "before": change, "frames": frames, "cpu_s": spent_s}


def _mmd(reference: Any) -> Callable[[], Update]:
    import torch
    from alibi_detect.cd import MMDDriftOnline

    torch.set_num_threads(1)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - what alibi-detect draws from
    detector = MMDDriftOnline(
        reference[:REFERENCE], MMD_ERT, WINDOW, backend="pytorch", n_bootstraps=MMD_BOOTSTRAPS, verbose=False
    )
    return partial(_alibi, detector, slice(None))


def _cvm(reference: Any) -> Callable[[], Update]:
    from alibi_detect.cd import CVMDriftOnline

    np.random.seed(0)  # noqa: NPY002 - what alibi-detect draws from
    chosen = np.linspace(0, reference.shape[1] - 1, CVM_FEATURES).astype(int)
    detector = CVMDriftOnline(reference[:REFERENCE, chosen], CVM_ERT, [CVM_WINDOW], n_bootstraps=5000, verbose=False)
    return partial(_alibi, detector, chosen)


def _alibi(detector: Any, columns: Any) -> Update:
    detector.reset_state()

    def update(row: Any) -> bool:
        return bool(detector.predict(row[columns])["data"]["is_drift"])

    update.detector = detector  # type: ignore[attr-defined]
    return update


def _frouros_mmd(reference: Any) -> Callable[[], Update]:
    """Frouros gives a distance and no threshold: the largest one over held-back reference frames, and a little."""
    from frouros.detectors.data_drift import MMDStreaming

    def detector() -> Any:
        made = MMDStreaming(window_size=WINDOW)
        made.fit(X=reference[:REFERENCE])
        return made

    calibrated, largest = detector(), 0.0
    for row in reference[REFERENCE : 2 * REFERENCE]:
        distance, _ = calibrated.update(value=row)
        largest = max(largest, 0.0 if distance is None else distance.distance)
    return partial(_frouros, detector, lambda found: found.distance > 1.05 * largest, slice(None))


def _frouros_ks(reference: Any) -> Callable[[], Update]:
    from frouros.detectors.data_drift import IncrementalKSTest

    column = reference.shape[1] // 2

    def detector() -> Any:
        made = IncrementalKSTest(window_size=WINDOW)
        made.fit(X=reference[:REFERENCE, column])
        return made

    return partial(_frouros, detector, lambda found: found.p_value < KS_ALPHA, column)


def _frouros(make: Callable[[], Any], drifts: Callable[[Any], bool], columns: Any) -> Update:
    detector = make()

    def update(row: Any) -> bool:
        found, _ = detector.update(value=row[columns])
        return found is not None and drifts(found)

    update.detector = detector  # type: ignore[attr-defined]
    return update


def _size(update: Any) -> int | None:
    try:
        return len(pickle.dumps(update.detector))
    except (pickle.PicklingError, AttributeError, TypeError):
        return None


CONTESTANTS = {
    "alibi-detect MMD online, ERT 500": _mmd,
    "alibi-detect CVM online, ERT 200, 4 signals": _cvm,
    "Frouros MMD, calibrated on the reference": _frouros_mmd,
    "Frouros incremental KS on one signal": _frouros_ks,
}

if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2]))

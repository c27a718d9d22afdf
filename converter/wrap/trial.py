"""A first run of a foreign model in a process of its own: some files end the runtime, and whoever has loaded it.

``python -m converter.wrap.trial FILE`` loads the file and answers an input of zeros; what is wrong goes to stderr.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from converter.errors import ModelError

TRIAL_TIMEOUT_S = 300.0  # for one inference of the largest model on a slow machine
_ROOT = Path(__file__).resolve().parents[2]


def check_runs(path: Path) -> None:
    """Refuse a file that the runtime cannot load and run once.

    Raises:
        ModelError: It ends the runtime by a signal, takes too long, or is refused.
    """
    command = [sys.executable, "-m", "converter.wrap.trial", str(path.absolute())]
    try:
        ended = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=TRIAL_TIMEOUT_S)
    except subprocess.TimeoutExpired as exc:
        raise ModelError(f"{path}: one inference took more than {TRIAL_TIMEOUT_S:g} s; take a smaller model") from exc
    if ended.returncode < 0:
        name = signal.Signals(-ended.returncode).name
        raise ModelError(f"{path}: the runtime crashes on it ({name}); convert the model again with another converter")
    if ended.returncode:
        lines = ended.stderr.strip().splitlines() or ["it does not run"]
        raise ModelError(f"{path}: {lines[-1]}")


def main() -> int:
    """Run the file named by the only argument once."""
    import numpy as np

    from edge_models.engines.tflite import TfliteModel
    from edge_models.errors import EdgeModelsError

    try:
        model = TfliteModel(Path(sys.argv[1]).read_bytes())
        model.run(np.zeros(model.input.spec.shape, model.input.spec.dtype))
    except EdgeModelsError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

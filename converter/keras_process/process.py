"""The parent's side of the TensorFlow process: start it, tell it what to do, and never be hurt by it.

A crash (some graphs end TensorFlow's converter with a signal) is a ``ConversionError`` that says which signal during
which step. The process is killed when the context is left, however that happens, and dies with its parent.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from converter.errors import ConversionError, ModelError, RecipeError
from converter.keras_process.bench import Answer
from converter.keras_process.learning import Fit, Loss, Part, Predict, Schedule
from converter.keras_process.making import Create, Load, Save
from converter.keras_process.messages import MAX_LINE_BYTES, Message, Order
from converter.recipe import NetworkRecipe, TrainingRecipe
from edge_models.errors import FieldError
from edge_models.fields import canonical_json, decode_json
from edge_models.npz import read_npz

COMMAND = (sys.executable, "-m", "converter.keras_process")
ANSWER_TIMEOUT_S = 1800.0  # for one epoch or one conversion
_ROOT = Path(__file__).resolve().parents[2]  # where `-m converter` is found, whatever the current directory
_END_S = 10.0  # for a process that has closed its output
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class KerasProcess:
    """One model in one TensorFlow process; use it as a context.

    Args:
        command: How the process is started.
        timeout_s: Bound on one order.
    """

    def __init__(self, *, command: tuple[str, ...] = COMMAND, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._command, self._timeout_s = command, timeout_s
        self._folder = tempfile.TemporaryDirectory(prefix="driftline-convert-")
        self._child: subprocess.Popen[bytes] | None = None
        self._step = ""
        self._files = 0

    def __enter__(self) -> Self:
        """Start the process; TensorFlow is being imported while the caller goes on."""
        with (self.folder / "log").open("wb") as log:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=_ROOT,
                env={**os.environ, "TMPDIR": self._folder.name},  # what it leaves there when it is killed goes, too
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no lock can be held across it
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the process and remove its files."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for stream in (self._child.stdin, self._child.stdout):
                if stream is not None:
                    stream.close()
        self._folder.cleanup()

    def create(self, network: NetworkRecipe, shape: tuple[int, ...], classes: int, *, seed: int) -> None:
        """Make an untrained network."""
        self.do("making the network", Create(network=network, shape=shape, classes=classes, seed=seed))

    def load(self, path: Path, shape: tuple[int, ...], classes: int, *, seed: int) -> None:
        """Take a saved Keras model with this input and so many classes.

        Raises:
            RecipeError: There is none, or another one.
        """
        try:
            self.do("loading", Load(path=str(path.absolute()), shape=shape, classes=classes, seed=seed))
        except ConversionError as exc:
            raise RecipeError(f"--init {path}: no Keras model that fits; {exc}") from exc

    def schedule(self, recipe: TrainingRecipe, steps: int, *, loss: Loss = "classes", part: Part = "all") -> None:
        """Prepare the optimiser for so many steps in all."""
        message = Schedule(
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            steps=steps,
            batch=recipe.batch,
            loss=loss,
            label_smoothing=recipe.label_smoothing,
            l1=recipe.l1,
            l2=recipe.l2,
            part=part,
        )
        self.do("compiling", message)

    def begin_epoch(self, x: NDArray[np.float32], y: NDArray[np.int64], weight: NDArray[np.float32]) -> None:
        """Start training on one epoch, or a portion of one, and return at once; ``end_epoch`` must follow."""
        self.send("training", Fit(file=self.write(x=x, y=y, weight=weight)))

    def end_epoch(self) -> float:
        """Wait for what was begun and return its mean loss."""
        return self.answer().loss or 0.0

    def logits(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (n, classes), or reconstructions (n, numbers in an input), of preprocessed inputs (n, ...)."""
        result = self.folder / "logits.npz"
        self.do("predicting", Predict(file=self.write(x=x), result=str(result)))
        return np.asarray(read_npz(result, max_bytes=1 << 30, names=("logits",))["logits"], np.float32)

    def save(self, path: Path) -> None:
        """Keep the Keras model, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft.keras").absolute()
        try:
            self.do("saving", Save(path=str(draft)))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    @property
    def folder(self) -> Path:
        """Where files for and of the process lie; it goes with the process."""
        return Path(self._folder.name)

    def write(self, **arrays: NDArray[Any]) -> str:
        """The path of arrays for the process: two files in turn, it may still read one while the next is being made."""
        self._files += 1
        path = self.folder / f"arrays-{self._files % 2}.npz"
        np.savez(path, allow_pickle=False, **arrays)  # not deflated: an epoch is 10 MB and more
        return str(path)

    def do(self, step: str, message: Message) -> Answer:
        """Give an order and wait for the answer.

        Args:
            step: What is being done, for the error message: "converting".
            message: The order.

        Raises:
            ConversionError: It was refused, took too long, or the process died.
        """
        self.send(step, message)
        return self.answer()

    def send(self, step: str, message: Message) -> None:
        """Give an order; ``answer`` must follow."""
        self._step = step
        child = self._running()
        stdin: Any = child.stdin
        try:
            stdin.write(canonical_json(Order(do=message)))
            stdin.flush()
        except BrokenPipeError:
            raise self._ended(child) from None

    def answer(self) -> Answer:
        """Wait for the answer to the last order.

        Raises:
            ConversionError: It was not carried out, took too long, or the process died.
            ModelError: It cannot be carried out with this model, whatever else the user tries.
        """
        child = self._running()
        stdout: Any = child.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            if not selector.select(self._timeout_s):
                raise ConversionError(f"{self._step} took more than {self._timeout_s:g} s; try a smaller model")
        line = stdout.readline(MAX_LINE_BYTES)
        try:
            answer = decode_json(Answer, line, max_bytes=MAX_LINE_BYTES)
        except FieldError:
            raise self._ended(child) from None
        if answer.refused is not None:
            raise ModelError(answer.refused)
        if answer.error is not None:
            raise ConversionError(f"{self._step} failed: {answer.error}")
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise RuntimeError("use KerasProcess as a context")
        return self._child

    def _ended(self, child: subprocess.Popen[bytes]) -> ConversionError:
        try:
            code = child.wait(_END_S)
        except subprocess.TimeoutExpired:
            return ConversionError(f"the TensorFlow process gave no answer while {self._step}")
        if code < 0:
            hint = "; recurrent layers need unroll=True" if self._step == "converting" else ""
            if -code == signal.SIGKILL:
                hint = "; the machine may be out of memory"
            return ConversionError(f"TensorFlow crashed while {self._step} ({signal.Signals(-code).name}){hint}")
        with (self.folder / "log").open("rb") as log:
            last = _last_line(log)
        return ConversionError(f"the TensorFlow process ended while {self._step}: {last or f'exit code {code}'}")


def _last_line(log: IO[bytes]) -> str:
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:  # the parent died before the call
            os._exit(1)

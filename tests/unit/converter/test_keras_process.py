"""The program's side of the TensorFlow process, against small programs that behave well or badly."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from converter.errors import ConversionError, ModelError, RecipeError
from converter.keras_process.process import KerasProcess
from converter.quantize.convert import convert
from converter.recipe import MlpRecipe, QuantizeRecipe

LOUD = """
    import json, os, signal, sys
    sys.stderr.write("2026-01-01 I some.cc:1] a note of the runtime\\n")
    for line in sys.stdin:
        order = json.loads(line)["do"]
        {body}
        sys.stdout.write(json.dumps({{"error": None, "loss": 0.5}}) + "\\n")
        sys.stdout.flush()
"""
NETWORK = MlpRecipe(hidden=(4,))
EPOCH = np.zeros((8, 3), np.float32), np.zeros(8, np.int64), np.ones(8, np.float32)


def process(body: str, *, timeout_s: float = 20.0) -> KerasProcess:
    program = textwrap.dedent(LOUD).format(body=body)
    return KerasProcess(command=(sys.executable, "-c", program), timeout_s=timeout_s)


def test_epoch_gives_its_loss() -> None:
    with process("pass") as keras:
        keras.create(NETWORK, (3,), 2, seed=1)
        keras.begin_epoch(*EPOCH)

        assert keras.end_epoch() == 0.5


def test_crash_while_converting_is_an_error_that_names_the_signal() -> None:
    with process("order['op'] == 'convert' and os.kill(os.getpid(), signal.SIGSEGV)") as keras:
        keras.create(NETWORK, (3,), 2, seed=1)

        with pytest.raises(ConversionError, match=r"crashed while converting \(SIGSEGV\); recurrent layers"):
            convert(keras, QuantizeRecipe(), EPOCH[0])


def test_refusal_of_tensorflow_is_passed_on() -> None:
    body = "print(json.dumps({'error': 'ValueError: no such op', 'loss': None}), flush=True); continue"
    with process(body) as keras, pytest.raises(ConversionError, match="predicting failed: ValueError: no such op"):
        keras.logits(EPOCH[0])


def test_model_that_cannot_be_converted_is_the_users_to_mend() -> None:
    body = "print(json.dumps({'refused': 'lstm is rolled; set unroll=True'}), flush=True); continue"
    with process(body) as keras, pytest.raises(ModelError, match=r"^the model: lstm is rolled; set unroll=True$"):
        convert(keras, QuantizeRecipe(), EPOCH[0])


def test_end_of_the_process_shows_the_last_line_that_it_said() -> None:
    with process("sys.exit('disk full')") as keras, pytest.raises(ConversionError, match=r"ended while .*: disk full"):
        keras.create(NETWORK, (3,), 2, seed=1)


def test_model_that_does_not_fit_is_the_users_mistake() -> None:
    body = "print(json.dumps({'error': 'ValueError: found (8,)', 'loss': None}), flush=True); continue"
    with process(body) as keras, pytest.raises(RecipeError, match=r"--init .*m\.keras: no Keras model that fits"):
        keras.load(Path("m.keras"), (3,), 2, seed=1)


def test_silence_ends_at_the_time_limit() -> None:
    with process("sys.stdin.read()", timeout_s=0.2) as keras, pytest.raises(ConversionError, match=r"more than 0\.2 s"):
        keras.create(NETWORK, (3,), 2, seed=1)


def test_failed_save_leaves_no_file(tmp_path: Path) -> None:
    body = "order['op'] == 'save' and (open(order['path'], 'w').write('half'), os.kill(os.getpid(), signal.SIGKILL))"
    with process(body) as keras, pytest.raises(ConversionError, match="SIGKILL"):
        keras.save(tmp_path / "model.keras")

    assert list(tmp_path.iterdir()) == []


def test_process_and_its_files_are_gone_afterwards() -> None:
    with process("sys.stdin.read()") as keras:
        child, folder = keras._running(), keras.folder
        keras.begin_epoch(*EPOCH)

    assert child.returncode is not None
    assert not folder.exists()

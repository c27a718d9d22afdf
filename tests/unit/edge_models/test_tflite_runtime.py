"""How the TFLite adapter finds a runtime: by constructing an interpreter, whatever the import said."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from edge_models.engines import tflite
from edge_models.engines.tflite import TfliteModel
from edge_models.errors import RuntimeMissingError
from tests.factories.bundles import ASSETS

MODULES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")


class BrokenInterpreter:
    """tflite-runtime 2.14 beside numpy 2: it imports, and this happens."""

    def __init__(self, **kwargs: Any) -> None:
        raise SystemError("_ARRAY_API not found\nand a long story")


@pytest.fixture(autouse=True)
def _forget_the_runtime() -> Iterator[None]:
    tflite.find_runtime.cache_clear()
    yield
    tflite.find_runtime.cache_clear()


def install(monkeypatch: pytest.MonkeyPatch, name: str, interpreter: type | None) -> None:
    """Put a runtime of our making, or its absence, in front of the installed one."""
    module = None
    if interpreter is not None:
        module = ModuleType(name)
        module.Interpreter = interpreter  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name.partition(".")[0], ModuleType(name.partition(".")[0]))
    monkeypatch.setitem(sys.modules, name, module)


def data() -> bytes:
    return (ASSETS / "digits-int8.tflite").read_bytes()


def test_no_runtime_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in MODULES:
        install(monkeypatch, name, None)

    with pytest.raises(RuntimeMissingError) as caught:
        TfliteModel(data())

    assert "ai-edge-litert is not installed; tflite-runtime is not installed" in str(caught.value)
    assert "install ai-edge-litert, or tflite-runtime with numpy < 2" in str(caught.value)


def test_a_runtime_that_imports_and_cannot_construct_is_not_a_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, MODULES[0], None)
    install(monkeypatch, MODULES[1], BrokenInterpreter)

    with pytest.raises(RuntimeMissingError) as caught:
        TfliteModel(data())

    assert "tflite-runtime does not work (_ARRAY_API not found)" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_module_without_an_interpreter_is_not_a_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, MODULES[0], None)
    install(monkeypatch, MODULES[1], BrokenInterpreter)
    del sys.modules[MODULES[1]].Interpreter

    with pytest.raises(RuntimeMissingError, match="tflite-runtime does not work"):
        TfliteModel(data())

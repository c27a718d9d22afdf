"""Where the environment of quantisation-aware training is, and how it is made when it is not there."""

from __future__ import annotations

from pathlib import Path

from converter.errors import RecipeError

QAT_ENVIRONMENT = Path(__file__).resolve().parents[2] / ".venv-qat"
"""Beside ``.venv``; ``python3 -m tests qat`` makes it, too."""


def qat_command(environment: Path = QAT_ENVIRONMENT) -> tuple[str, ...]:
    """How the process is started.

    Raises:
        RecipeError: There is no such environment; the text says how to make it.
    """
    python = environment / "bin" / "python"
    if not python.exists():
        raise RecipeError(
            f"quantize.qat: found no environment {environment}; make it with: python3 -m venv {environment.name} && "
            f"{environment.name}/bin/pip install -c constraints-qat.txt -e '.[qat]', or leave quantize.qat out"
        )
    return (str(python), "-m", "converter.qat")

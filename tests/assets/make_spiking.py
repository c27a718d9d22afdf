"""Write the collapsed graphs of the fixed case again: `python -m tests.assets.make_spiking` (extra converter).

spiking-atf.tflite, spiking-radix.tflite      the function of `tests.assets.spiking_case`, integers in float32
"""

from __future__ import annotations

from pathlib import Path

from converter.spiking.collapsed import collapsed_graph
from tests.assets.spiking_case import case

FOLDER = Path(__file__).parent


def main() -> None:
    """Write both."""
    (FOLDER / "spiking-atf.tflite").write_bytes(collapsed_graph(case("atf")))
    (FOLDER / "spiking-radix.tflite").write_bytes(collapsed_graph(case("radix")))


if __name__ == "__main__":
    main()

"""``python -m tests.assets.make_graphs``: write the collapsed graphs of fixture networks again.

They lie here because the environment of a device has nothing that could make them.
"""

from __future__ import annotations

from pathlib import Path

from edge_models.spiking.network import Network
from tests.assets.spiking import network

FOLDER = Path(__file__).parent


def fixture_networks() -> dict[str, Network]:
    """The networks by the name of their graph's file."""
    return {
        "spikes-conv.tflite": network(3, kind="conv", dtype="int8"),
        "spikes-residual.tflite": network(3, kind="residual", coding="radix", steps=4),
    }


def main() -> None:
    """Write them."""
    from converter.spiking.collapsed import collapsed_graph  # here: a device has no converter

    for name, net in fixture_networks().items():
        data = collapsed_graph(net)
        (FOLDER / name).write_bytes(data)
        print(f"{name} {len(data)} bytes")


if __name__ == "__main__":
    main()

"""``python -m tests.integration.crash_states [full]``: go through every crash state and print how many there are.

``full`` takes every subset of the pending changes and more places to tear a file at, which takes minutes.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

from tests.integration.crash_states.exploration import Exploration
from tests.integration.crash_states.scenarios import SCENARIOS, bundles_of
from tests.unit.update_client.memory import memory_directory


def main(arguments: list[str]) -> int:
    """Print a line for each scenario; a state that does not recover ends it with an error."""
    logging.disable(logging.CRITICAL)  # damaged records by the thousand
    in_all = 0
    with tempfile.TemporaryDirectory() as folder, memory_directory(Path(folder)) as directory:
        bundles = bundles_of(directory)
        for scenario in SCENARIOS:
            found = Exploration(scratch=directory, care="full" if "full" in arguments else "quick")
            found.explore(scenario(directory / scenario.__name__, bundles))
            in_all += found.states
            counts = f"{found.points:5} moments {found.states:7} crash states {found.distinct:6} distinct"
            print(f"{scenario.__name__:18} {counts}", flush=True)
    print(f"{in_all} crash states, each with one model that runs and an update that ends")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

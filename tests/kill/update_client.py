"""``python -m tests.kill.update_client``: the update client, whose storage is watched."""

from __future__ import annotations

import sys

from agent.update_client.__main__ import main
from tests.kill.agent import watched_storage

if __name__ == "__main__":
    sys.exit(main(lambda root: watched_storage("client", root)))

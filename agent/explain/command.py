"""``driftline-agent explain``: its arguments and what it prints.

It reads the state directory and changes nothing in it, so it may run beside the agent, or on a copy elsewhere.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from agent.core.episode_record import EPISODE_FILE
from agent.explain.errors import ExplainError
from agent.explain.picture import check_target, write_picture
from agent.explain.record import episode_file, read_episode, story_of
from agent.explain.story import Story
from agent.explain.text import told
from edge_models.fields import encode

EPILOG = f"""\
The last episode is in {EPISODE_FILE} in the state directory; a copy of it can be explained anywhere. The estimated
accuracy is an estimate: labels (topic feedback, or y in a replay) say more.
Exit codes: 0 told (also when there was no drift), 2 the file cannot be used, or --plot has nothing to draw.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command's arguments to ``parser``."""
    parser.description = "Tell the last episode of drift: what happened, what changed, what it may cost."
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "where",
        type=Path,
        nargs="?",
        metavar="CONFIG",
        help=f"agent.yaml, the state directory, or a copy of {EPISODE_FILE} (default: agent.yaml here)",
    )
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help="agent.yaml, as for the other commands")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw it, too; needs the extra 'plot'")
    parser.add_argument("--json", action="store_true", help="print the episode as one JSON document, null for none")


def run(arguments: argparse.Namespace) -> str:
    """Do what the arguments say; what is to be printed.

    Raises:
        AgentError: The file or an argument cannot be used.
    """
    if arguments.where is not None and arguments.config is not None:
        raise ExplainError(f"explain: found {arguments.where} and --config {arguments.config}, expected one of them")
    if arguments.plot is not None:
        check_target(arguments.plot)
    path = episode_file(arguments.where or arguments.config or Path("agent.yaml"))
    record = read_episode(path)
    story = Story(title=f"{path}: no episode of drift yet", source=str(path))
    if record is not None:
        story = story_of(record, str(path))
    if arguments.plot is not None:
        write_picture(arguments.plot, story)
    if arguments.json:
        return json.dumps(None if record is None else encode(record), allow_nan=False)
    return told(story)

"""The command line of `python3 -m tests` and its summary."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.bootstrap import ROOT
from deploy.bootstrap_progress import interruptible
from tests.runner.execute import Outcome, execute
from tests.runner.steps import DEFAULT, OPT_IN, expand, step

EPILOG = f"""\
steps:   {", ".join(DEFAULT)} (default: all of these)
suites:  lean, {", ".join(OPT_IN)} (long or special; only when named), all (everything)
figures: benchmarks NAME [--json PATH]

Anything after -- goes to pytest: python3 -m tests unit -- -k manifest -x
"""


def main(argv: Sequence[str]) -> int:
    """Run what the arguments name.

    Returns:
        0 when everything passed, 1 when something failed, 2 for wrong arguments, 130 when interrupted.
    """
    arguments = list(argv)
    if arguments[:1] == ["benchmarks"]:
        from tests.benchmarks.harness import main as run_benchmark

        return run_benchmark(arguments[1:])
    extra: list[str] = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, extra = arguments[:at], arguments[at + 1 :]
    options = _parse(arguments)
    if options.durations is not None:
        extra += [f"--durations={options.durations}", "--durations-min=0.05"]
    names = list(dict.fromkeys(expand(options.steps)))
    outcomes: list[Outcome] = []
    try:
        with interruptible():
            for name in names:
                outcomes.extend(_run(name, extra))
    except KeyboardInterrupt:
        print_summary(outcomes)
        print("interrupted", flush=True)
        return 130
    print_summary(outcomes)
    return int(any(outcome.failed for outcome in outcomes))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 -m tests", epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help="what to run, see below")
    parser.add_argument("--durations", type=int, nargs="?", const=10, metavar="N", help="show the N slowest tests (10)")
    options = parser.parse_args(arguments)
    known = {*DEFAULT, *OPT_IN, "default", "lean", "all"}
    unknown = [name for name in options.steps if name not in known]
    if unknown:
        parser.error(f"unknown step {unknown[0]!r}; there are: {', '.join(sorted(known))}, benchmarks")
    return options


def _run(name: str, extra: Sequence[str], root: Path = ROOT) -> list[Outcome]:
    if name in OPT_IN and not (root / "tests" / name).is_dir():
        print(f"suite {name}: no tests yet", flush=True)
        return []
    print(f"\n=== {name} {'=' * (74 - len(name))}", flush=True)
    started = time.monotonic()
    outcome = execute(step(name), extra)
    print(f"=== {name}: {time.monotonic() - started:.1f} s", flush=True)
    return [outcome]


def print_summary(outcomes: Sequence[Outcome]) -> None:
    """Print a line per step, then the sum as the last line."""
    if outcomes:
        print(f"\n{'step':<14}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>10}")
    for outcome in outcomes:
        mark = f"  FAILED {outcome.note}" if outcome.failed else ""
        counts = f"{outcome.passed:>8}{outcome.failed:>8}{outcome.skipped:>9}"
        print(f"{outcome.name:<14}{counts}{outcome.seconds:>10.1f}{mark}".rstrip())
    total = [sum(counts) for counts in zip(*((o.passed, o.failed, o.skipped) for o in outcomes), strict=True)]
    passed, failed, skipped = total or (0, 0, 0)
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped", flush=True)

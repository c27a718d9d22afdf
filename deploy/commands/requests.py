"""Show what devices have asked for, and what has become of the retraining jobs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from deploy.commands._fleet import add_options, config_of, opened
from deploy.commands._output import print_json, print_table
from deploy.errors import EXIT_OK

if TYPE_CHECKING:
    from deploy.fleet.models import Request

EXIT_CODES: dict[int, str] = {}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print requests and jobs."""
    from deploy.fleet.jobs import all_jobs, described
    from deploy.fleet.requests import all_requests

    with opened(config_of(args)) as database, database.read() as session:
        requests = [_request(request) for request in all_requests(session)]
        jobs = [dict(described(session, job)) for job in all_jobs(session)]
    if args.json:
        print_json({"requests": requests, "jobs": jobs})
        return EXIT_OK
    shown = ("id", "device", "reason", "state", "job", "bundle_held", "bundle_answer")
    rows = [[str(request[key] or "")[:24] for key in shown] for request in requests]
    print_table(("request", *shown[1:5], "held", "answer"), rows, empty="no device has asked for a model")
    columns = ("id", "state", "step", "bundle", "evidence_driven_accuracy", "evidence_blind_accuracy", "reason")
    print_table(
        ("job", "state", "step", "bundle", "accuracy", "blind", "reason"),
        [[_short(job[key]) for key in columns] for job in jobs],
        empty="no job yet",
    )
    return EXIT_OK


def _request(request: Request) -> dict[str, Any]:
    return {
        "id": request.id,
        "device": request.device,
        "model": request.model,
        "reason": request.reason,
        "state": request.state.value,
        "job": request.job,
        "bundle_held": request.bundle_held,
        "bundle_answer": request.bundle_answer,
        "received_at": request.received_at,
        "document": request.document,
    }


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{100 * value:.1f} %"
    text = str(value or "")
    return text[:12] if len(text) == 64 and text.isalnum() else text

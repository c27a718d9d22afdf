"""What a job has decided to do, kept in its directory: whoever takes the job up again does the same.

JOB/plan.json       this                      JOB/candidate/    the retrained bundle
JOB/E.json          evidence of the devices   JOB/blind/        the same without evidence, for comparison
JOB/{S,H,U}.npz     train, held, no label      JOB/*.log         what the converter said
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.fleet.models import Request
from deploy.registry.files import write_durable
from edge_models.errors import FieldError
from edge_models.fields import canonical_json, decode_json, described
from edge_models.manifest import SHA256

MAX_PLAN_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The decisions of a job."""

    job: str = described("The job.")
    parent: str = described("Bundle to improve on.", pattern=SHA256)
    serial: int = described("Serial of the new bundle.", ge=1)
    version: str = described("Its version for people.", max_length=64)
    recipe: str = described("Recipe to start from.")
    requests: tuple[str, ...] = described("Requests that it answers.")
    train: int = described("Samples to learn from.", ge=0)
    held: int = described("Samples held back.", ge=0)
    unlabelled: int = described("Samples without a label, to pre-train on.", ge=0, default=0)
    round: int = described("0, or more when late requests or a taken serial made it begin again.", ge=0, default=0)


class JobFolder:
    """The directory of one job."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan = path / "plan.json"
        self.evidence = path / "E.json"
        self.samples = path / "S.npz"
        self.held = path / "H.npz"
        self.unlabelled = path / "U.npz"
        self.candidate = path / "candidate"
        self.blind = path / "blind"
        self.model = path / "model.keras"

    def read_plan(self) -> Plan | None:
        """The plan, or None if there is none or it cannot be read, which means to plan again."""
        try:
            return decode_json(Plan, self.plan.read_bytes(), max_bytes=MAX_PLAN_BYTES)
        except (OSError, FieldError):
            return None

    def write_plan(self, plan: Plan) -> None:
        """Store the plan; the files that it speaks of have to be there already."""
        write_durable(self.plan, canonical_json(plan))


def evidence_json(requests: Sequence[Request]) -> bytes:
    """E.json for the converter: what each asking device saw."""
    found = []
    for request in requests:
        evidence = request.document.get("evidence")
        if evidence is not None:
            found.append(
                {
                    "request": request.id[:64],  # for people; the bundle's provenance has it whole
                    "device": request.device,
                    "bundle": request.bundle_held,
                    "artifact": request.document.get("artifact"),
                    "profile": evidence["profile"],
                    "sketch": evidence["sketch"],
                    "n": evidence["n"],
                    "effects": evidence["effects"],
                }
            )
    return json.dumps({"v": 1, "evidence": found}, indent=1, sort_keys=True).encode() + b"\n"


def next_version(version: str) -> str:
    """The version after ``version``: its last number plus one.

    >>> [next_version(text) for text in ("1", "1.4.9", "v2-pi", "winter")]
    ['2', '1.4.10', 'v3-pi', 'winter.1']
    """
    numbers = list(re.finditer(r"[0-9]+", version))
    if not numbers:
        return f"{version[:60]}.1"
    last = numbers[-1]
    return f"{version[: last.start()]}{int(last.group()) + 1}{version[last.end() :]}"[:64]

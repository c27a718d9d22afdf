"""The stand-in for a person who labels: looks the truth up and gives it through ``driftline-fleet samples label``."""

from __future__ import annotations

import csv
import io
import json

from deploy.demo.stage import Stage
from deploy.demo.watch import Watch

LABELLED_BY = "demo"


class Labeller:
    """Labels every sample that the fleet database has no label for."""

    def __init__(self, stage: Stage, watch: Watch) -> None:
        self._stage = stage
        self._watch = watch

    def label_new(self) -> int:
        """Label what has come since the last call; returns how many samples that were."""
        listed = self._stage.call("deploy", "samples", "list", "--unlabelled", "--json", "-c", "fleet.yaml")
        samples = json.loads(listed)
        rows = [
            (one["id"], self._truth(one["device"], one["position"])) for one in samples if one["position"] is not None
        ]
        if not rows:
            return 0
        table = io.StringIO()
        csv.writer(table).writerows([("id", "label"), *rows])
        path = self._stage.folder / "labels.csv"
        path.write_text(table.getvalue(), encoding="utf-8")
        self._stage.call("deploy", "samples", "label", "--from", path, "--by", LABELLED_BY, "-c", "fleet.yaml")
        return len(rows)

    def _truth(self, device: str, position: int) -> int:
        return int(self._watch.devices[device].stream.y[position])

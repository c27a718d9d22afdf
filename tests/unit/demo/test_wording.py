"""What the story tells of a request."""

from __future__ import annotations

from deploy.demo.wording import why
from edge_models.wire import DriftLevel, Evidence, ModelRequest, RequestReason
from tests.unit.deploy.messages import OLD, TS


def request(evidence: Evidence) -> ModelRequest:
    return ModelRequest(
        ts=TS, up=1.0, id="pi-2-r1", reason=RequestReason.DRIFT, model="digits", bundle=OLD, artifact="tflite-int8",
        signal="bright", evidence=evidence,
    )  # fmt: skip


def test_level_drivers_and_estimated_cost_are_told() -> None:
    seen = Evidence(
        profile="0" * 16, sketch="abc", n=200, effects={"bright": 0.97}, level=DriftLevel.CRITICAL,
        attribution={"a": 0.05, "border": 0.12, "skew": 0.2, "std": 0.14}, estimated_accuracy=0.452,
        estimated_impact=0.5, estimated_impact_low=0.28, estimated_impact_high=0.72,
    )  # fmt: skip

    assert why(request(seen)) == (
        "critical drift, bright has changed; alarm driven by skew 20%, std 14%, border 12%; "
        "accuracy perhaps 45% (28 to 72 points lost), an estimate without labels"
    )


def test_what_a_request_does_not_know_is_not_told() -> None:
    seen = Evidence(profile="0" * 16, sketch="abc", n=200, effects={"bright": 0.97})

    assert why(request(seen)) == "bright has changed"

"""What a request for a better model says, in the words of the story."""

from __future__ import annotations

from edge_models.wire import ModelRequest

MOST_NAMED = 3


def why(request: ModelRequest) -> str:
    """How much has changed, what drove the alarm, and what it may cost; as far as the request says so."""
    evidence = request.evidence
    level = "" if evidence is None or evidence.level is None else f"{evidence.level.value} drift, "
    said = [f"{level}{request.signal} has changed"]
    if evidence is None:
        return said[0]
    largest = sorted(evidence.attribution.items(), key=lambda item: -item[1])[:MOST_NAMED]
    if largest:
        said.append("alarm driven by " + ", ".join(f"{name} {share:.0%}" for name, share in largest))
    if evidence.estimated_accuracy is not None:
        said.append(f"accuracy perhaps {evidence.estimated_accuracy:.0%}{_lost(request)}, an estimate without labels")
    return "; ".join(said)


def _lost(request: ModelRequest) -> str:
    evidence = request.evidence
    if evidence is None or evidence.estimated_impact_low is None or evidence.estimated_impact_high is None:
        return ""
    low, high = 100 * evidence.estimated_impact_low, 100 * evidence.estimated_impact_high
    return f" ({low:.0f} to {high:.0f} points lost)"

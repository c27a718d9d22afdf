"""Reference profiles: what an artifact's signals look like when nothing is wrong."""

from edge_models.profile.archive import ARRAYS, MAX_PROFILE_BYTES, PROFILE_FORMAT, contexts_from_npz, contexts_to_npz
from edge_models.profile.building import build_profile, identified, measured_context
from edge_models.profile.columns import column_names
from edge_models.profile.parts import (
    MAX_CLASSES,
    MAX_CONTEXTS,
    MAX_SIGNALS,
    PROFILE_ID_DIGITS,
    REFERENCE,
    Confusion,
    Context,
    ImpactModel,
)
from edge_models.profile.quantiles import BINS, bins_of, count_bins, ranks_of, rounded, slackened
from edge_models.profile.reference import Profile
from edge_models.profile.rules import CONTEXT_NAME
from edge_models.signals.embedding import Embedding

__all__ = [
    "ARRAYS",
    "BINS",
    "CONTEXT_NAME",
    "MAX_CLASSES",
    "MAX_CONTEXTS",
    "MAX_PROFILE_BYTES",
    "MAX_SIGNALS",
    "PROFILE_FORMAT",
    "PROFILE_ID_DIGITS",
    "REFERENCE",
    "Confusion",
    "Context",
    "Embedding",
    "ImpactModel",
    "Profile",
    "bins_of",
    "build_profile",
    "column_names",
    "contexts_from_npz",
    "contexts_to_npz",
    "count_bins",
    "identified",
    "measured_context",
    "ranks_of",
    "rounded",
    "slackened",
]

"""Build an artifact's reference profile: what its signals look like on held-out data, and what shifts would cost."""

from converter.profile.building import Taken, take_profile
from converter.profile.impact import ShiftRow, measure_impact
from converter.profile.observation import Observed, observe

__all__ = ["Observed", "ShiftRow", "Taken", "measure_impact", "observe", "take_profile"]

"""Whether production data are still like the reference: detectors with a budget of false alarms, and what they found.

numpy only, no clock and no River; ``agent.worker.drift`` puts them behind River's interface.
"""

from edge_models.drift.bank import EBank, StreamBank
from edge_models.drift.bets import DEAD_BAND_SD, HEALTH, BetName, Bets
from edge_models.drift.budget import SHARES, threshold
from edge_models.drift.class_prior import ClassPrior
from edge_models.drift.columns import Columns
from edge_models.drift.decorrelation import integrated_time, thin_of
from edge_models.drift.error_rate import TOLERANCE as ERROR_TOLERANCE
from edge_models.drift.error_rate import ErrorRate

__all__ = [
    "DEAD_BAND_SD",
    "ERROR_TOLERANCE",
    "HEALTH",
    "SHARES",
    "BetName",
    "Bets",
    "ClassPrior",
    "Columns",
    "EBank",
    "ErrorRate",
    "StreamBank",
    "integrated_time",
    "thin_of",
    "threshold",
]

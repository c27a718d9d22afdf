"""Asks devices for the samples that their requests offer, until enough have come for a person to label.

Nothing is kept about it: a controller that starts again asks again, and a device takes the last word for the only one.
Whoever delivers is left alone; whoever does not, although it is online, is asked again after a pause that doubles.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from deploy.fleet.models import Device, Request, Sample
from deploy.fleet.states import RequestState
from edge_models.wire import Command, Status

FIRST_PAUSE_S = 60.0
LONGEST_PAUSE_S = 3600.0
MAX_REMEMBERED = 10_000  # requests; a fleet has fewer open ones than devices


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Samples to ask a device for.

    Attributes:
        device: Its id.
        n: How many more are wanted.
    """

    device: str
    n: int

    @property
    def command(self) -> Command:
        """What the device is told; without an id, for doing it twice is doing it once."""
        return Command(args={"do": "deliver", "n": self.n})


@dataclass(frozen=True, slots=True)
class _Progress:
    delivered: int
    again_s: float
    pause_s: float


class SampleAsker:
    """Decides whom to ask now.

    Args:
        model: The model slot.
        wanted: Samples wanted for each request; 0 asks for none.
    """

    def __init__(self, model: str, wanted: int) -> None:
        self._model = model
        self._wanted = wanted
        self._progress: dict[str, _Progress] = {}

    def due(self, session: Session, now_s: float) -> list[Ask]:
        """Whom to ask now, by id; each is taken for asked."""
        if self._wanted == 0:
            return []
        offers = {request.id: request for request in _offers(session, self._model)}
        self._progress = {identity: known for identity, known in self._progress.items() if identity in offers}
        asks = [self._ask(session, request, now_s) for request in offers.values()]
        return [ask for ask in asks if ask is not None]

    def _ask(self, session: Session, request: Request, now_s: float) -> Ask | None:
        delivered = _delivered(session, request)
        known = self._progress.get(request.id)
        if known is not None and delivered > known.delivered:
            self._note(request.id, delivered, now_s, FIRST_PAUSE_S)
            return None
        if delivered >= self._wanted or (known is not None and now_s < known.again_s):
            return None
        pause_s = FIRST_PAUSE_S if known is None else min(2 * known.pause_s, LONGEST_PAUSE_S)
        self._note(request.id, delivered, now_s, pause_s)
        return Ask(device=request.device, n=self._wanted - delivered)

    def _note(self, request: str, delivered: int, now_s: float, pause_s: float) -> None:
        if request in self._progress or len(self._progress) < MAX_REMEMBERED:
            self._progress[request] = _Progress(delivered, now_s + pause_s, pause_s)


def _offers(session: Session, model: str) -> list[Request]:
    """Open requests of devices that have samples to give and can be reached."""
    chosen = (
        select(Request)
        .join(Device, Device.id == Request.device)
        .where(Request.model == model, Request.state == RequestState.OPEN)
        .where(func.coalesce(Device.status, "") != Status.OFFLINE.value)
        .order_by(Request.device, Request.id)
    )
    return [request for request in session.scalars(chosen) if request.document.get("samples_on_offer")]


def _delivered(session: Session, request: Request) -> int:
    chosen = select(func.count()).where(Sample.device == request.device, Sample.received_at >= request.received_at)
    return session.scalar(chosen.select_from(Sample)) or 0

"""What a drift looks like, in few bytes, so that it is known again: a camera's night, a heating season.

A shift is the signature of an episode: the signed move of each signal's mean rank, in hundredths. Its direction is a
mean over the verdicts and its length the largest, so that dusk and dawn do not make a night small. Two drifts are of
one kind when their shifts point in the same direction (cosine) and the new one is not much larger than the known one;
something worse that comes on top of a harmless drift is therefore not covered.

A shift is kept as text of four characters for each signal: two bytes of a hash of the signal's name, which is all that
is needed to find it again, and one of its move. Strong drifts move most signals, so none is left out.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent import ipc
from agent.core.pause import Pause, pause_of
from agent.core.records import Now
from agent.core.severity import CLASS_FRAMES
from edge_models.fields import described
from edge_models.wire.drift import MAX_NAME_CHARS
from edge_models.wire.telemetry import MAX_SIGNALS

Shift = str

SHIFT = r"([A-Za-z0-9+/]{4})*"
MAX_BENIGN = 4
MAX_ASKED = 2
MAX_COMPONENTS = MAX_SIGNALS
MAX_SHIFT_CHARS = 4 * MAX_COMPONENTS
_COMPONENT = struct.Struct(">Hb")
UNNAMED = "seen-"
MIN_NORM = 10.0  # hundredths: below this a signature is noise and nothing is known by it
_ALIKE = 0.85  # cosine; verdicts of 200 frames on one drift have some 0.95, other kinds of drift mostly less than 0.7
_LARGER = 1.5
_NEWEST = 0.3  # weight of the newest verdict in an episode's shift


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """A drift that was seen before."""

    name: str = described("What people call it.", max_length=MAX_NAME_CHARS)
    benign: bool = described("Whether it is harmless: then no model is ever asked for.", default=False)
    shift: Shift = described("Signed moves of signals.", max_length=MAX_SHIFT_CHARS, pattern=SHIFT)
    pause: Pause | None = described("No model is asked for until its end; null for a harmless one.", default=None)


def shift_of(verdict: ipc.Verdict) -> Shift:
    """The shift of one verdict; predicted classes move it by what they drive the trigger."""
    moves = dict(verdict.signature)
    if verdict.class_effect is not None and verdict.class_n >= CLASS_FRAMES:
        classes = (name for name in verdict.attribution if name not in verdict.effects)
        moves |= {name: verdict.attribution[name] * verdict.class_effect for name in classes}
    return packed(moves)


def packed(moves: Mapping[str, float]) -> Shift:
    """The shift of signals that moved so far, -1 to 1.

    >>> packed({"mean": -0.5, "sharp": 0.001, "std": 0.25})
    'FqgZ77DO'
    """
    return _packed({zlib.crc32(name.encode()) & 0xFFFF: 100 * move for name, move in moves.items()})


def blended(before: Shift, newest: Shift) -> Shift:
    """The shift of an episode after one more verdict.

    >>> night, dawn = packed({"mean": -0.5}), packed({"mean": -0.1})
    >>> blended(night, dawn) == night == blended(packed({}), night)
    True
    """
    old, new = _moves(before), _moves(newest)
    mean = {key: (1 - _NEWEST) * old.get(key, 0) + _NEWEST * new.get(key, 0) for key in dict.fromkeys((*old, *new))}
    length = math.hypot(*mean.values())
    longest = max(length, norm(before)) if before else norm(newest)
    return _packed({key: move * longest / length for key, move in mean.items()}) if length else before


def known_as(shift: Shift, fingerprints: Iterable[Fingerprint]) -> Fingerprint | None:
    """The known drift that this one is like most; a harmless one goes first."""
    alike = [
        (each.benign, likeness(shift, each.shift), index, each)
        for index, each in enumerate(fingerprints)
        if likeness(shift, each.shift) >= _ALIKE and norm(shift) <= _LARGER * norm(each.shift)
    ]
    return max(alike)[3] if alike else None


def likeness(one: Shift, other: Shift) -> float:
    """Cosine of two shifts; 0 when one is too small to have a direction.

    >>> likeness(packed({"mean": 0.4, "sharp": -0.3}), packed({"mean": 0.2, "sharp": -0.15}))
    1.0
    """
    lengths = norm(one), norm(other)
    if min(lengths) < MIN_NORM:
        return 0.0
    others = _moves(other)
    return sum(move * others.get(key, 0) for key, move in _moves(one).items()) / (lengths[0] * lengths[1])


def norm(shift: Shift) -> float:
    """Length of a shift."""
    return math.hypot(*_moves(shift).values())


def with_fingerprint(known: tuple[Fingerprint, ...], new: Fingerprint) -> tuple[Fingerprint, ...]:
    """The known drifts and this one; it replaces its namesake, and the oldest of too many goes."""
    others = [each for each in known if each.name != new.name]
    rest = [each for each in others if each.benign is not new.benign]
    same = [each for each in others if each.benign is new.benign]
    return (*rest, *same[-((MAX_BENIGN if new.benign else MAX_ASKED) - 1) :], new)


def remembered(
    shift: Shift,
    fingerprints: tuple[Fingerprint, ...],
    known: Fingerprint | None,
    base_s: float,
    most_s: float,
    now: Now,
) -> tuple[Fingerprint, ...]:
    """The known drifts, with one that was asked about: the next of its kind waits twice as long as the last one did.

    Args:
        shift: What it looks like; one too small to be known again is not kept.
        fingerprints: The known drifts.
        known: The one of them that it is like; a harmless one stays as it is.
        base_s: The cool-down.
        most_s: The longest wait.
        now: When it ended.
    """
    if norm(shift) < MIN_NORM or (known is not None and known.benign):
        return fingerprints
    before_s = base_s if known is None or known.pause is None else known.pause.length_s
    length_s = min(2 * before_s, most_s)
    name = _unnamed(fingerprints) if known is None else known.name
    return with_fingerprint(fingerprints, Fingerprint(name=name, shift=shift, pause=pause_of(length_s, now)))


def _unnamed(known: Iterable[Fingerprint]) -> str:
    """A name for a drift that nobody has named."""
    numbers = [each.name.removeprefix(UNNAMED) for each in known if each.name.startswith(UNNAMED)]
    return f"{UNNAMED}{1 + max((int(number) for number in numbers if number.isdecimal()), default=0)}"


def _packed(moves: Mapping[int, float]) -> Shift:
    rounded = {key: max(-100, min(100, round(move))) for key, move in moves.items()}
    largest = sorted((key for key in rounded if rounded[key]), key=lambda key: (-abs(rounded[key]), key))
    kept = sorted(largest[:MAX_COMPONENTS])
    return base64.b64encode(b"".join(_COMPONENT.pack(key, rounded[key]) for key in kept)).decode("ascii")


def _moves(shift: Shift) -> dict[int, int]:
    return dict(_COMPONENT.iter_unpack(base64.b64decode(shift)))

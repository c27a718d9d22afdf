"""Words for people: what a signal means, how long something took. No decisions here."""

from __future__ import annotations

import re

_MEANINGS = {
    "mean": "brightness of the picture",
    "std": "contrast",
    "sharp": "sharpness",
    "bright": "share of bright pixels",
    "cx": "where the light lies, left to right",
    "cy": "where the light lies, top to bottom",
    "skew": "how lopsided the brightness is",
    "border": "brightness at the border",
    "confidence": "confidence of the model",
    "entropy": "doubt of the model",
    "margin": "lead of the first class over the second",
    "t2": "distance of the embedding from the training data",
    "q": "what the embedding has that the training data had not",
    "mahalanobis": "distance of all signals together",
    "predicted_class": "how often each class is predicted",
    "labels": "loss of accuracy on labelled frames",
    "orient": "slant of the bright parts",
    "reconstruction_error": "how unlike its reconstruction a frame is",
    "error": "wrong answers, by feedback",
    "refused": "frames that do not fit the model",
    "out_of_range": "values outside of what was seen in training",
    "repeated": "the same frame again and again",
    "level": "loudness",
    "level_db": "loudness",
    "crest_db": "peak over loudness",
    "dynamics": "how unsteady the sound is",
    "tilt": "slope of the spectrum",
    "centroid": "spectral centroid",
    "flatness": "spectral flatness",
}
_PATTERNS = (
    (re.compile(r"^pc_?(\d+)$"), "principal component {} of the embedding"),
    (re.compile(r"^band_?(\d+)$"), "energy of band {}"),
    (re.compile(r"^class[_:]?(\w+)$"), "how often class {} is predicted"),
)
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86400


def meaning(signal: str) -> str:
    """What a signal measures, or an empty text for one of the user's own, such as a column.

    >>> meaning("sharp"), meaning("pc_3"), meaning("class_7"), meaning("temperature")
    ('sharpness', 'principal component 3 of the embedding', 'how often class 7 is predicted', '')
    """
    known = _MEANINGS.get(signal)
    if known is not None:
        return known
    matches = ((pattern.match(signal), text) for pattern, text in _PATTERNS)
    return next((text.format(match[1]) for match, text in matches if match), "")


def named(signal: str | None) -> str:
    """A signal with its meaning.

    >>> named("std"), named("temperature"), named(None)
    ('std (contrast)', 'temperature', 'no single signal')
    """
    if signal is None:
        return "no single signal"
    said = meaning(signal)
    return f"{signal} ({said})" if said and said != signal else signal


def duration(seconds: float) -> str:
    """A time as a person says it.

    >>> duration(0), duration(42.4), duration(150), duration(7500), duration(200_000)
    ('0 s', '42.4 s', '2 min 30 s', '2 h 5 min', '2 d 7 h')
    """
    if seconds < _MINUTE_S:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    if whole < _DAY_S:
        return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"
    return f"{whole // _DAY_S} d {whole % _DAY_S // _HOUR_S} h"


def percent(share: float) -> str:
    """A share of 1 in percent.

    >>> percent(0.4567)
    '45.7 %'
    """
    return f"{100 * share:.1f} %"

"""Hypothesis strategies that turn right bytes into wrong ones."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

MAX_EDITS = 4
MAX_SPAN = 24

# What tends to be read wrongly: JSON's edges, brackets, escapes, long digits, sizes of structures.
TOKENS = (
    *(b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-1", b"-0", b"1.0", b"9" * 400, b"1" + b"0" * 5000),
    *(b'"', b"\\", b"\\ud800", b"\\u0000", b"{", b"}", b"[", b"]", b"[" * 2000, b'{"a":' * 300, b",", b":", b"\n"),
    *(
        b"\x00",
        b"\x00" * 8,
        b"\xff",
        b"\xff" * 4,
        b"\xff" * 8,
        b"\x7f\xff\xff\xff",
        b"\x80",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
    ),
)

fuzzed = settings(max_examples=5000, deadline=timedelta(seconds=5), suppress_health_check=list(HealthCheck))


def check_one_line(error: Exception) -> None:
    """An operator sees the text of an error as one line of a log."""
    text = str(error)
    assert text
    assert text.isprintable()
    assert len(text) < 2000


@st.composite
def damaged(draw: st.DrawFn, right: bytes) -> bytes:
    """``right`` after one to four edits: bytes replaced, inserted, removed, repeated or cut off."""
    data = bytearray(right)
    for _ in range(draw(st.integers(1, MAX_EDITS))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, MAX_SPAN)))
        match draw(st.sampled_from(["replace", "insert", "token", "remove", "repeat", "cut"])):
            case "replace":
                data[start:end] = draw(st.binary(min_size=end - start, max_size=end - start))
            case "insert":
                data[start:start] = draw(st.binary(max_size=MAX_SPAN))
            case "token":
                data[start:end] = draw(st.sampled_from(TOKENS))
            case "remove":
                del data[start:end]
            case "repeat":
                data[start:start] = data[start:end] * draw(st.integers(1, 8))
            case _:
                del data[start:]
    return bytes(data)

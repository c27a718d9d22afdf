"""What an answer that is not the file means: whether to wait, and how long, or to give up."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from agent.update_client.errors import RefusedError, ServerError
from agent.update_client.transport import Reply

MAX_RETRY_AFTER_S = 3600.0  # nobody on the line can send a device to sleep for longer
_BUSY = {408, 425, 429}  # RFC 9110 section 15.5.9, RFC 8470 section 5.2, RFC 6585 section 4: it may pass


def failure(url: str, reply: Reply) -> ServerError | RefusedError:
    """The error that an unwanted status is: 5xx and three of 4xx may pass, the rest of 4xx is the last word."""
    if reply.status >= 500 or reply.status in _BUSY:
        return ServerError(f"{url}: HTTP status {reply.status}", retry_after_s=retry_after_s(reply.headers))
    return RefusedError(f"{url}: HTTP status {reply.status}; look at update.url and the registry")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """What the server asks for, in seconds, at most an hour; None when it asks for nothing that can be understood.

    RFC 9110 section 10.2.3 allows seconds or a date. A date is taken relative to the server's own Date: the clock of
    this device may be wrong.

    >>> retry_after_s({"retry-after": "120"})
    120.0
    >>> retry_after_s({"retry-after": "Sun, 22 Nov 2026 10:01:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"})
    60.0
    """
    value = headers.get("retry-after", "")
    if value.isdecimal() and value.isascii():
        return min(float(value[:9]), MAX_RETRY_AFTER_S)
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return min(max(wait.total_seconds(), 0.0), MAX_RETRY_AFTER_S)

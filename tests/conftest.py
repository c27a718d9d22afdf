"""What holds for every test.

Hypothesis gives the same examples every time, with no deadline, because test machines are shared. Ctrl-C works in the
programs that tests start, also when the tests themselves were started in the background, where shells ignore it.
"""

from __future__ import annotations

import signal

from hypothesis import settings

settings.register_profile("driftline", deadline=None, derandomize=True)
settings.load_profile("driftline")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # children would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

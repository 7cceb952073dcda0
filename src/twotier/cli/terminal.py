"""Who gets the terminal's Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def own_foreground() -> Iterator[None]:
    """Be the only process that a Ctrl-C in the terminal reaches.

    It goes to the whole foreground group. Where `make` is in it, make would die of it and report a failure, however cleanly we stop;
    so we take the terminal into a group of our own, and give it back. Without a terminal, or as a group's leader, there is nothing
    to do.
    """
    group = os.getpgrp()
    if group == os.getpid() or not sys.stdin.isatty() or os.tcgetpgrp(sys.stdin.fileno()) != group:
        yield
        return
    # SIGTTOU would stop us for giving the terminal back. SIGTSTP (Ctrl-Z) would stop us alone, and nobody would wake us.
    for number in (signal.SIGTTOU, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())
    try:
        yield
    finally:
        os.tcsetpgrp(sys.stdin.fileno(), group)

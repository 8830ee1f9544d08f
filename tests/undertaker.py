"""Buries the orphans of a test run as soon as they end.

Guests and daemons outlive what started them. Whoever killed one waits until it is gone, and process 1 of a
container buries late or never.
"""

import os
import signal

from volutus.supervise import libc


def watch_over_run() -> None:
    """Become the parent of the run: the caller goes on in a child, and this process ends as that one does."""
    libc.become_subreaper()
    run = os.fork()
    if run == 0:
        return
    # A terminal tells both, and the run has things to take down.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(run, signal.SIGTERM))
    while True:
        buried, status = os.wait()
        if buried == run:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)

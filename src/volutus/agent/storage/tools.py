"""The programs that storage is done with end with the agent, however it ends: one that ran on would hold a
disk open, or fill one that nobody waits for."""

import os

# For the agent that was gone before the kernel was told to end the tool with it.
_UNLESS_ORPHANED = 'test "$PPID" = "$0" && exec "$@"'
NOT_FOUND = 127
"""The status of a tool that is not installed, from the shell."""


def tied(command: list[str]) -> list[str]:
    """The command, killed when the thread that starts it ends: that thread must wait for it. No program may
    be in it that gains rights by being run, which would undo it.

    By `setpriv` and not in the child before exec: the agent has threads, and a fork of it must not run
    Python."""
    return ["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", _UNLESS_ORPHANED, str(os.getpid()), *command]

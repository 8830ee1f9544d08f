"""Speaks to the QEMU storage daemon by its monitor: a JSON object a line, each with an answer, and events in
between that are passed over."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRWPair
from pathlib import Path
from typing import Any

from volutus.agent.faults import HostFault

TIMEOUT_S = 30.0
# By this text the daemon says that a name is taken or unknown; it has one class of error for everything.
_NOT_THERE = ("not found", "Failed to find", "Cannot find")


class MonitorGone(HostFault):
    """There is no storage daemon: it shows nothing."""


class Monitor:
    """One session."""

    def __init__(self, lines: BufferedRWPair) -> None:
        self._lines = lines
        self._answer()
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: Any) -> Any:
        """What the daemon answers. Raises HostFault when it refuses; no argument is in the message."""
        self._lines.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        self._lines.flush()
        while True:
            answer = self._answer()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise HostFault("The disk could not be opened.", f"{command}: {answer['error']['desc']}")

    def forget(self, command: str, **arguments: Any) -> None:
        """The same, for taking away what may not be there."""
        try:
            self.ask(command, **arguments)
        except HostFault as fault:
            if not any(words in fault.detail for words in _NOT_THERE):
                raise

    def _answer(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise ConnectionResetError("the storage daemon ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def opened(path: Path) -> Iterator[Monitor]:
    """A session, while the block lasts. Raises MonitorGone, HostFault."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(str(path))
            # The daemon hears one at a time, and hears the next when both of these are closed.
            with connection.makefile("rwb") as lines:
                yield Monitor(lines)
        except (FileNotFoundError, ConnectionError) as trouble:
            raise MonitorGone("The host's iSCSI service does not run.", str(trouble)) from trouble
        except (OSError, ValueError) as trouble:
            raise HostFault("The host's iSCSI service does not answer.", str(trouble)) from trouble

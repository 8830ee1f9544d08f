"""Speaks to tgtd in its own binary protocol: a header, parameters as text, and a header with text back.

Its command-line tool would do the same, but takes the secrets as arguments, which everybody on the machine
can read. One connection carries one request.
"""

import re
import socket
import struct
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from volutus.agent.faults import HostFault

TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 16 << 20
_DRIVER = b"iscsi"
# mode, operation, driver, length, target, session, unit, connection, host, type, direction, pack, force
_REQUEST = struct.Struct("=II64sIiQQIIIIII")
_ANSWER = struct.Struct("=II")
_DISK = 0
EVERY_TARGET = -1
# In the place of a target: whoever asks which targets there are.
DISCOVERY = -1
_TARGET_LINE = re.compile(r"^Target (\d+): (\S+)$", re.MULTILINE)


class Mode(IntEnum):
    """What a request is about."""

    TARGET = 1
    UNIT = 2
    ACCOUNT = 7


class Operation(IntEnum):
    """What is asked."""

    NEW = 0
    DELETE = 1
    SHOW = 2
    BIND = 3
    UPDATE = 5


# tgtd's numbers of refusals which say that the thing is there, or is not, as was asked.
NO_TARGET, TARGET_EXISTS, UNIT_EXISTS, ACL_EXISTS, ACCOUNT_EXISTS, NO_ACCOUNT = 4, 9, 10, 12, 14, 15


class TgtGone(HostFault):
    """There is no tgtd: it serves nothing."""


@dataclass(frozen=True)
class Order:
    """One request. `target` is tgtd's own number; `text` has parameters as NAME=VALUE with commas between."""

    mode: Mode
    operation: Operation
    target: int
    text: str = ""
    unit: int = 0
    force: bool = False


def ask(door: Path, order: Order, *, fine: tuple[int, ...] = ()) -> str:
    """Carry out a request; the text of the answer. Refusals with numbers in `fine` are none. Raises TgtGone
    when there is no tgtd, HostFault when it refuses or does not answer."""
    try:
        error, text = _exchange(door, order)
    except (FileNotFoundError, ConnectionError) as trouble:
        raise TgtGone("The host's iSCSI service does not run.", str(trouble)) from trouble
    except OSError as trouble:
        raise HostFault("The host's iSCSI service does not answer.", str(trouble)) from trouble
    if error and error not in fine:
        said = f"{order.operation.name} {order.mode.name}: error {error}"
        raise HostFault("The volume could not be exported by iSCSI.", said)
    return text


def targets(door: Path) -> dict[str, int]:
    """The names of all targets, with tgtd's numbers."""
    text = ask(door, Order(Mode.TARGET, Operation.SHOW, EVERY_TARGET))
    return {name: int(number) for number, name in _TARGET_LINE.findall(text)}


def _exchange(door: Path, order: Order) -> tuple[int, str]:
    # tgtd wants text to end with a zero.
    text = order.text.encode() + b"\0" if order.text else b""
    size = _REQUEST.size + len(text)
    fields = order.mode, order.operation, _DRIVER, size, order.target, 0, order.unit
    request = _REQUEST.pack(*fields, 0, 0, _DISK, 0, 0, int(order.force)) + text
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(str(door))
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = bytearray()
        while piece := connection.recv(1 << 16):
            answer += piece
            if len(answer) > ANSWER_BYTES_MAX:
                raise OSError("the answer has no end")
    if len(answer) < _ANSWER.size:
        raise ConnectionResetError("the answer was cut short")
    error, _ = _ANSWER.unpack_from(answer)
    return error, answer[_ANSWER.size :].rstrip(b"\0").decode(errors="replace")

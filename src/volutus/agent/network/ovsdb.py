"""A small client of Open vSwitch's database: enough to add, list and remove the ports of one bridge.

It speaks JSON-RPC over the unix socket, one connection for each call: about a millisecond, against ten for a
run of ovs-vsctl, and it cannot hang, because every call has a timeout. It does not wait for ovs-vswitchd.
"""

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from volutus.agent.faults import HostFault

TIMEOUT_S = 5.0
ANSWER_BYTES_MAX = 16 << 20

Json = dict[str, Any]


@dataclass(frozen=True)
class SwitchPort:
    """A port of the switch: its interface's name, and what was written into its external ids."""

    name: str
    external_ids: dict[str, str]


class SwitchDatabase:
    """The switch database at `socket_path`; ports belong to the bridge `bridge`."""

    def __init__(self, socket_path: Path, bridge: str) -> None:
        self._socket_path = socket_path
        self._bridge = bridge

    def ports(self, owner_key: str, owner: str) -> list[SwitchPort]:
        """The interfaces whose external ids have `owner` under `owner_key`."""
        where = [["external_ids", "includes", ["map", [[owner_key, owner]]]]]
        columns = ["name", "external_ids"]
        rows = self._transact([{"op": "select", "table": "Interface", "where": where, "columns": columns}])
        return [SwitchPort(row["name"], dict(row["external_ids"][1])) for row in rows[0]["rows"]]

    def add_port(self, name: str, external_ids: dict[str, str]) -> None:
        """Make the interface `name`, which exists in the kernel, a port of the bridge."""
        ids = ["map", [list(pair) for pair in external_ids.items()]]
        known = self._transact([self._select("Interface", name)])[0]["rows"]
        if known:
            update = {
                "op": "update",
                "table": "Interface",
                "where": _named(name),
                "row": {"external_ids": ids},
            }
            self._transact([update])
            return
        interface = {"name": name, "external_ids": ids}
        port = {"name": name, "interfaces": ["named-uuid", "interface"]}
        insert = ["ports", "insert", ["set", [["named-uuid", "port"]]]]
        answers = self._transact(
            [
                {"op": "insert", "table": "Interface", "row": interface, "uuid-name": "interface"},
                {"op": "insert", "table": "Port", "row": port, "uuid-name": "port"},
                {"op": "mutate", "table": "Bridge", "where": _named(self._bridge), "mutations": [insert]},
                self._reload(),
            ]
        )
        if answers[2].get("count") != 1:
            raise HostFault("The host's switch is not ready.", f"there is no bridge {self._bridge}")

    def remove_port(self, name: str) -> None:
        """Take the port off the bridge; its rows go with the last reference to them."""
        rows = self._transact([self._select("Port", name)])[0]["rows"]
        if rows:
            delete = ["ports", "delete", ["set", [row["_uuid"] for row in rows]]]
            mutate = {"op": "mutate", "table": "Bridge", "where": [], "mutations": [delete]}
            self._transact([mutate, self._reload()])

    def system_id(self) -> str:
        """What OVN calls this chassis; empty while nobody set it."""
        select = {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["external_ids"]}
        rows = self._transact([select])[0]["rows"]
        return str(dict(rows[0]["external_ids"][1]).get("system-id", "")) if rows else ""

    def _select(self, table: str, name: str) -> Json:
        return {"op": "select", "table": table, "where": _named(name), "columns": ["_uuid"]}

    def _reload(self) -> Json:
        # ovs-vswitchd says by cur_cfg which next_cfg it has carried out, as after ovs-vsctl.
        return {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}

    def _transact(self, operations: list[Json]) -> list[Json]:
        request = {"method": "transact", "params": ["Open_vSwitch", *operations], "id": 0}
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(TIMEOUT_S)
                connection.connect(str(self._socket_path))
                connection.sendall(json.dumps(request).encode())
                answer = _read_answer(connection)
        except (OSError, ValueError) as error:
            raise HostFault("The host's switch does not answer.", str(error)) from error
        results: list[Json] = answer.get("result") or []
        errors = [result for result in results if result and "error" in result]
        if answer.get("error") or errors:
            raise HostFault("The host's switch refused a change.", str(answer.get("error") or errors))
        return results


def _named(name: str) -> list[list[str]]:
    return [["name", "==", name]]


def _read_answer(connection: socket.socket) -> Json:
    """Read one JSON value. The server sends no newline after it, so it is read until it can be decoded; an
    echo request does not come in so short a time."""
    received = b""
    while len(received) < ANSWER_BYTES_MAX:
        piece = connection.recv(1 << 16)
        if not piece:
            raise ValueError("the connection was closed")
        received += piece
        if received.endswith(b"}"):
            try:
                answer: Json = json.loads(received)
            except ValueError:
                continue
            return answer
    raise ValueError("the answer is too long")

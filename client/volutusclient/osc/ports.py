"""Where a packet of a port would go, and what drops it."""

from typing import Any

from osc_lib import exceptions
from osc_lib.command import command

from volutusclient.osc.base import network_words

_FIELDS = ("kind", "id", "name", "text")


class TracePort(command.Lister):
    """Work out what the cloud's switches would do with a packet of a port; nothing is sent"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("port", help="The port that would send it (name or ID)")
        parser.add_argument("--to", required=True, metavar="ADDRESS", help="Where to")
        parser.add_argument(
            "--protocol", choices=["tcp", "udp", "sctp", "icmp"], help="A ping without --port"
        )
        parser.add_argument("--port", dest="number", type=int, metavar="NUMBER", help="The port there")
        return parser

    def take_action(self, parsed: Any) -> Any:
        network = self.app.client_manager.network
        port = network.find_port(parsed.port, ignore_missing=False)
        asked = {"to": parsed.to, "protocol": parsed.protocol, "port": parsed.number}
        query = {name: value for name, value in asked.items() if value is not None}
        answer = network.get(f"/ports/{port.id}/trace", params=query)
        if not answer.ok:
            raise exceptions.CommandError(network_words(answer))
        trace = answer.json()["trace"]
        rows = [tuple(step[field] or "" for field in _FIELDS) for step in trace["steps"]]
        rows.append((trace["verdict"], "", "", trace["reason"]))
        rows += [("note", "", "", note) for note in trace["notes"]]
        return tuple(field.capitalize() for field in _FIELDS), rows

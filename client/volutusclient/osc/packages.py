"""Servers, volumes and addresses paid for a term ahead, and ports with a committed rate."""

from typing import Any

from volutusclient.osc import base

_FIELDS = ("id", "resource_kind", "resource_id", "status", "starts_at", "ends_at", "auto_renew", "paid")
_KINDS = {"server": "server", "volume": "volume", "address": "floatingip"}


class ListPackages(base.Lister):
    """What is paid for a term ahead"""

    def take_action(self, parsed: Any) -> Any:
        return base.table(self.billing.get("/packages")["packages"], _FIELDS)


class CreatePackage(base.ShowOne):
    """Pay all that is in use of a server, a volume or an address for a term ahead"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("kind", choices=sorted(_KINDS))
        parser.add_argument("id", metavar="<id>", help="Of the server, the volume or the address")
        parser.add_argument("--months", type=int, default=1, help="The term, 1 to 36 (1)")
        parser.add_argument("--auto-renew", action="store_true", help="Renew it when it ends")
        return parser

    def take_action(self, parsed: Any) -> Any:
        more = {"months": parsed.months, "auto_renew": parsed.auto_renew}
        wanted = {"resource_kind": _KINDS[parsed.kind], "resource_id": parsed.id, **more}
        return base.shown(self.billing.post("/packages", {"package": wanted})["package"])


class EndPackage(base.ShowOne):
    """Pay by use again; the rest of the term comes back"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", metavar="<package>", help="Its id")
        return parser

    def take_action(self, parsed: Any) -> Any:
        return base.shown(self.billing.post(f"/packages/{parsed.id}/end", None))


class ListRates(base.Lister):
    """Ports with a committed rate or a cap; all others pay for their bytes and send as fast as they can"""

    def take_action(self, parsed: Any) -> Any:
        return base.table(self.billing.get("/traffic")["traffic"], ("port_id", "method", "mbit"))


class SetRate(base.Command):
    """Pay a port's traffic by a committed rate, or by volume"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("port", metavar="<port>", help="Its id")
        parser.add_argument("--by-volume", action="store_true", help="Pay for the bytes")
        help_ = "The committed rate; with --by-volume a cap, which bounds the cost"
        parser.add_argument("--mbit", type=base.amount, help=help_)
        return parser

    def take_action(self, parsed: Any) -> None:
        wanted = {"method": "volume" if parsed.by_volume else "rate"}
        if parsed.mbit is not None:
            wanted["mbit"] = str(parsed.mbit)
        self.billing.send("PUT", f"/traffic/ports/{parsed.port}", {"traffic": wanted})

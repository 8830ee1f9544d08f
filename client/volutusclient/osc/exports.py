"""Volumes served by iSCSI to machines outside the cloud."""

from typing import Any

from osc_lib.command import command

from volutusclient.osc import base, volumes

_FIELDS = ("id", "volume_id", "status", "portal", "target")


class CreateExport(command.ShowOne):
    """Serve a volume by iSCSI; the password is told this once"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("volume", help="The volume (name or ID)")
        return parser

    def take_action(self, parsed: Any) -> Any:
        manager = self.app.client_manager
        wanted = {"volume_id": volumes.volume_id(manager, parsed.volume)}
        return base.shown(volumes.ask(manager, "POST", "/exports", {"export": wanted})["export"])


class ListExports(command.Lister):
    """Volumes of the project that are served by iSCSI"""

    def take_action(self, parsed: Any) -> Any:
        return base.table(volumes.ask(self.app.client_manager, "GET", "/exports")["exports"], _FIELDS)


class ShowExport(command.ShowOne):
    """A volume served by iSCSI"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("id", metavar="<export>", help="Its id")
        return parser

    def take_action(self, parsed: Any) -> Any:
        return base.shown(volumes.ask(self.app.client_manager, "GET", f"/exports/{parsed.id}")["export"])


class DeleteExports(command.Command):
    """Serve a volume no longer: sessions are cut, and it is free again"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("ids", nargs="+", metavar="<export>", help="Its id")
        return parser

    def take_action(self, parsed: Any) -> None:
        for export_id in parsed.ids:
            volumes.ask(self.app.client_manager, "DELETE", f"/exports/{export_id}")

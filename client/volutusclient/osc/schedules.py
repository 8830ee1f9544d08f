"""Snapshots and backups of a volume by schedule."""

from typing import Any

from osc_lib.command import command

from volutusclient.osc import base, volumes

_FIELDS = ("id", "name", "volume_id", "action", "every_hours", "keep", "next_at")
_RUN_FIELDS = ("due_at", "made_id", "incremental", "fault", "removed_at")


def _add_terms(parser: Any, *, required: bool) -> None:
    parser.add_argument("--every", type=int, required=required, metavar="HOURS", help="168 is weekly")
    parser.add_argument("--keep", type=int, required=required, metavar="NUMBER", help="How many stay")
    parser.add_argument("--from", dest="start", metavar="TIME", help="First at, as 2026-12-01T03:00:00Z")
    parser.add_argument(
        "--incrementals",
        type=int,
        metavar="NUMBER",
        help="Of backups: so many that hold only changes follow each full one",
    )


def _terms(parsed: Any) -> dict[str, Any]:
    asked = {
        "name": parsed.name,
        "every_hours": parsed.every,
        "keep": parsed.keep,
        "starts_at": parsed.start,
        "incrementals": parsed.incrementals,
    }
    return {name: value for name, value in asked.items() if value is not None}


class CreateSchedule(command.ShowOne):
    """Have snapshots or backups of a volume made every so many hours"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("volume", help="The volume (name or ID)")
        parser.add_argument("--backup", action="store_true", help="Backups, not snapshots")
        parser.add_argument("--name")
        _add_terms(parser, required=True)
        return parser

    def take_action(self, parsed: Any) -> Any:
        manager = self.app.client_manager
        wanted = {"volume_id": volumes.volume_id(manager, parsed.volume), **_terms(parsed)}
        wanted["action"] = "backup" if parsed.backup else "snapshot"
        return base.shown(volumes.ask(manager, "POST", "/schedules", {"schedule": wanted})["schedule"])


class ListSchedules(command.Lister):
    """Schedules of the project's volumes"""

    def take_action(self, parsed: Any) -> Any:
        return base.table(volumes.ask(self.app.client_manager, "GET", "/schedules")["schedules"], _FIELDS)


class ShowSchedule(command.ShowOne):
    """A schedule"""

    def get_parser(self, prog_name: str) -> Any:
        return _with_id(super().get_parser(prog_name))

    def take_action(self, parsed: Any) -> Any:
        found = volumes.ask(self.app.client_manager, "GET", f"/schedules/{parsed.id}")["schedule"]
        found.pop("runs")
        return base.shown(found)


class ListRuns(command.Lister):
    """What a schedule made, and what could not be made and why"""

    def get_parser(self, prog_name: str) -> Any:
        return _with_id(super().get_parser(prog_name))

    def take_action(self, parsed: Any) -> Any:
        found = volumes.ask(self.app.client_manager, "GET", f"/schedules/{parsed.id}")["schedule"]
        return base.table(found["runs"], _RUN_FIELDS)


class SetSchedule(command.ShowOne):
    """Change a schedule, stop it for a while, or go on with it"""

    def get_parser(self, prog_name: str) -> Any:
        parser = _with_id(super().get_parser(prog_name))
        parser.add_argument("--name")
        _add_terms(parser, required=False)
        state = parser.add_mutually_exclusive_group()
        state.add_argument("--enable", action="store_true", default=None)
        state.add_argument("--disable", action="store_true", default=None)
        return parser

    def take_action(self, parsed: Any) -> Any:
        wanted = _terms(parsed)
        if parsed.enable or parsed.disable:
            wanted["enabled"] = bool(parsed.enable)
        answer = volumes.ask(self.app.client_manager, "PUT", f"/schedules/{parsed.id}", {"schedule": wanted})
        return base.shown(answer["schedule"])


class DeleteSchedule(command.Command):
    """End a schedule; what it made stays"""

    def get_parser(self, prog_name: str) -> Any:
        return _with_id(super().get_parser(prog_name))

    def take_action(self, parsed: Any) -> None:
        volumes.ask(self.app.client_manager, "DELETE", f"/schedules/{parsed.id}")


def _with_id(parser: Any) -> Any:
    parser.add_argument("id", metavar="<schedule>", help="Its id")
    return parser

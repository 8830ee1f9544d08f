"""The words and flags of the command, and which function each one runs."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from volutus import __version__
from volutus.cli import (
    billing,
    configuration,
    control,
    database,
    diagnosis,
    identity,
    images,
    lifecycle,
    purging,
    tracing,
)
from volutus.settings import Settings

_DESCRIPTION = """\
Volutus turns this machine into a cloud that speaks the OpenStack APIs.

  ./volutus up --detach      install what is missing, start the cloud, say how to use it
  ./volutus down             stop it; everything is as before at the next `up`
  ./volutus destroy          stop it and remove everything it made
"""
_EPILOG = "Each command has its own --help. Guides: docs/operate/."
Run = Callable[[argparse.Namespace], int]
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def parse(words: list[str]) -> argparse.Namespace:
    """The chosen command with its flags; `run` is its function. Wrong words end the process with a hint."""
    parser = argparse.ArgumentParser(
        prog="volutus",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"volutus {__version__}")
    _add_state_dir(parser, default=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_lifecycle(commands)
    _add_operation(commands)
    _add_parts(commands)
    return parser.parse_args(words)


def _add_lifecycle(commands: Commands) -> None:
    up = _command(commands, "up", lifecycle.up, "install what is missing and start the cloud")
    up.add_argument(
        "--listen",
        metavar="ADDR:PORT",
        help=f"where the APIs and the console listen (default {Settings.listen}); kept for the next `up`",
    )
    up.add_argument("--detach", action="store_true", help="return when the cloud is ready to serve")
    down = _command(commands, "down", lifecycle.down, "stop the cloud; nothing is lost")
    down.add_argument("--keep-guests", action="store_true", help="leave guests running, without network")
    destroy = _command(commands, "destroy", lifecycle.destroy, "stop the cloud and remove everything it made")
    destroy.add_argument("--yes", action="store_true", help="do not ask")
    status = _command(commands, "status", lifecycle.status, "what runs and how it is")
    status.add_argument("--json", action="store_true", help="for programs")
    status.add_argument(
        "--wait", action="store_true", help="wait until the cloud is ready, and say how to use it"
    )
    install = _command(commands, "install", lifecycle.install, "only install packages, start nothing")
    install.add_argument("--dev", action="store_true", help="also what tests and checks need")
    install.add_argument("--ceph", action="store_true", help="also what volumes in Ceph need")


def _add_operation(commands: Commands) -> None:
    _command(commands, "doctor", diagnosis.doctor, "what works on this machine, what does not, and the mend")
    config = _group(commands, "config", "the settings in force")
    _command(config, "show", configuration.show, "every setting, its value and where it comes from")
    db = _group(commands, "db", "the database: upgrade, backup, restore")
    _command(db, "upgrade", database.upgrade, "bring the schema to this version")
    backup = _command(
        db, "backup", database.backup, "write the whole database into a file, while it is in use"
    )
    backup.add_argument("file", type=Path, metavar="FILE")
    restore = _command(db, "restore", database.restore, "replace the database by what `backup` wrote")
    restore.add_argument("file", type=Path, metavar="FILE")
    identities = _group(commands, "identity", "the keys that seal tokens")
    _command(identities, "rotate-keys", identity.rotate_keys, "seal new tokens with the next key")
    rules = _group(commands, "policy", "who may do what")
    _command(rules, "list", identity.list_policy, "every permission and who has it, in force here")
    check = _command(rules, "check", identity.check_policy, "look for mistakes in the operator's own rules")
    check.add_argument("permission", metavar="PERMISSION", nargs="?", help="say who has this one")
    projects = _group(commands, "project", "projects, in all services")
    purge = _command(projects, "purge", purging.purge, "remove a project with all that it has")
    purge.add_argument("project", metavar="PROJECT", help="its id or its name")
    purge.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    purge.add_argument("--yes", action="store_true", help="do not ask")
    money = _group(commands, "billing", "the ledger")
    audit = _command(money, "audit", billing.audit, "recompute charges from usage, name what differs")
    audit.add_argument(
        "--cycles", type=int, metavar="N", default=288, help="how many of the newest (default a day's 288)"
    )
    trace = _command(commands, "trace", tracing.trace, "where a packet of a port would go, and what drops it")
    trace.add_argument("port_id", metavar="PORT", help="the sending port's id")
    trace.add_argument("--to", required=True, metavar="ADDRESS", help="the IP address sent to")
    trace.add_argument("--protocol", choices=("tcp", "udp", "sctp", "icmp"), help="default tcp with --port")
    trace.add_argument("--port", type=int, metavar="NUMBER", help="the port sent to")
    image = _group(commands, "image", "images: build them, offer them, take them out")
    build = _command(image, "build", images.build, "build an image, ready to be uploaded")
    build.add_argument("name", metavar="NAME", help="micro or debian-12")
    build.add_argument(
        "--output", type=Path, metavar="DIR", default=Path(), help="where to put it (default .)"
    )
    offer = _command(image, "offer", images.offer, "offer a built image to all projects")
    offer.add_argument("manifest", type=Path, metavar="MANIFEST", help="the .manifest.json of the build")
    export = _command(image, "export", images.export, "write an image as a raw disk into a file")
    export.add_argument("image", metavar="ID")
    export.add_argument("file", type=Path, metavar="FILE", help="must not exist")


def _add_parts(commands: Commands) -> None:
    parts = _group(commands, "control", "one part of the control plane, in the foreground")
    for name, run, text in (
        ("forkserver", control.forkserver, "load the program once, and fork the others from it"),
        ("prepare", control.prepare, "bring the database up to date and make what every cloud has"),
        ("api", control.api, "answer the public APIs"),
        ("agents", control.agents, "answer the hosts' agents"),
        ("reconcile", control.reconcile, "do the long work"),
        ("ftp", control.ftp, "offer drives by FTP"),
    ):
        part = _command(parts, name, run, text)
        if name == "forkserver":
            part.add_argument("--socket", type=Path, metavar="PATH", required=True, help="where it is asked")
        if name in ("api", "agents"):
            part.add_argument(
                "--fd", type=int, metavar="N", help="an inherited listening socket (default: make one)"
            )
    agent = _command(commands, "agent", control.agent, "the agent of this host, in the foreground")
    agent.add_argument(
        "--config", type=Path, metavar="FILE", help="its agent.toml (default DIR/agent/agent.toml)"
    )
    agent.add_argument("--simulated", type=int, metavar="N", help="be N simulated hosts that run nothing")
    agent.add_argument(
        "--stop-guests", action="store_true", help="only stop all guests; they start again with the agent"
    )
    agent.add_argument(
        "--kill-guests", action="store_true", help="only cut all guests off, as for a cloud that ends"
    )
    agent.add_argument(
        "--clean-up", action="store_true", help="only remove all taps, ports and namespaces of guests"
    )
    agent.add_argument(
        "--iscsi",
        action="store_true",
        help="only run the iSCSI service that the agent beside it tells what to serve",
    )
    _command(commands, "join-token", control.join_token, "a one-time token by which a host joins the cloud")


def _group(commands: Commands, name: str, text: str) -> Commands:
    parser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    return parser.add_subparsers(title="commands", metavar="COMMAND", required=True)


def _command(commands: Commands, name: str, run: Run, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    _add_state_dir(parser, default=argparse.SUPPRESS)
    parser.set_defaults(run=run)
    return parser


def _add_state_dir(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        default=default,
        help=f"where everything of this cloud is kept (default {Settings.state_dir}, or $VOLUTUS_STATE_DIR)",
    )

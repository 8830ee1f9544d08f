"""`volutus control`, `volutus agent`, `volutus join-token`: the parts that the supervisor runs, one a
process."""

import argparse
import socket
import sys
from pathlib import Path

from volutus import logs
from volutus import settings as settings_module
from volutus.settings import Settings
from volutus.supervise.sockets import host_and_port

_BACKLOG = 1024


def prepare(arguments: argparse.Namespace) -> int:
    """Bring the database to this version and make what every cloud has."""
    from volutus import main
    from volutus.setup import local_agent

    settings = _settings(arguments)
    main.upgrade_database(settings)
    main.bootstrap(settings)
    local_agent.invite(settings)
    return 0


def forkserver(arguments: argparse.Namespace) -> int:
    """Load everything, and fork the other parts when the supervisor says so."""
    from volutus import cli, main
    from volutus.supervise import forkserver as server

    main.load_all()
    return server.serve(arguments.socket, cli.main)


def api(arguments: argparse.Namespace) -> int:
    """Answer the public APIs."""
    from volutus import main

    settings = _settings(arguments)
    main.run_api(settings, _descriptor(arguments.fd, settings.listen))
    return 0


def agents(arguments: argparse.Namespace) -> int:
    """Answer agents."""
    from volutus import main

    settings = _settings(arguments)
    main.run_agents_api(settings, _descriptor(arguments.fd, settings.agent_listen))
    return 0


def reconcile(arguments: argparse.Namespace) -> int:
    """Do the long work."""
    from volutus import main

    main.run_reconcile(_settings(arguments))
    return 0


def ftp(arguments: argparse.Namespace) -> int:
    """Offer drives by FTP."""
    from volutus.ftp.server import server

    settings = _settings(arguments)
    server(settings, host_and_port(settings.ftp_listen)).serve_forever(handle_exit=True)
    return 0


def agent(arguments: argparse.Namespace) -> int:
    """Look after this host; or be so many that do not exist."""
    from volutus.agent import main as agent_main

    settings = settings_module.current(arguments.state_dir)
    config: Path = arguments.config or settings.state_dir / "agent" / "agent.toml"
    if arguments.simulated:
        agent_main.run_simulated(config, arguments.simulated)
    elif arguments.stop_guests:
        agent_main.stop_guests(config)
    elif arguments.kill_guests:
        agent_main.kill_guests(config)
    elif arguments.clean_up:
        agent_main.clean_up(config)
    elif arguments.iscsi:
        agent_main.serve_iscsi(config)
    else:
        agent_main.run(config)
    return 0


def join_token(arguments: argparse.Namespace) -> int:
    """Print a token that one host may use once, with what to type there."""
    from volutus.setup import joining

    settings = settings_module.current(arguments.state_dir)
    sys.stdout.write(joining.new_token(settings) + "\n")
    return 0


def _settings(arguments: argparse.Namespace) -> Settings:
    """Of one part of the control plane, which from now on logs as they say."""
    settings = settings_module.current(arguments.state_dir)
    logs.configure(settings.log_level)
    return settings


def _descriptor(given: int | None, address: str) -> int:
    """The inherited socket, or one of our own where no supervisor runs."""
    if given is not None:
        return given
    host, port = host_and_port(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG).detach()

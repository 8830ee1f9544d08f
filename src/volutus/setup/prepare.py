"""Everything `up` does before the supervisor starts: a state directory from which it can run. Quiet the
second time."""

import errno
import os
import socket
import tomllib
from dataclasses import fields, replace
from pathlib import Path

from volutus.errors import Conflict
from volutus.settings import ENVIRONMENT_PREFIX, FILE_NAME, Settings
from volutus.setup import clouds, console_assets, directories, first_image, keys, local_agent
from volutus.setup.files import write_secret
from volutus.setup.progress import Progress
from volutus.supervise import postgres, removal, switch
from volutus.supervise.sockets import host_and_port

# What `up` decides once and writes down, so that every process and the next `up` see the same.
_KEPT = ("listen", "agent_listen", "datapath_type")
_KERNEL_SWITCH = Path("/sys/module/openvswitch")


def prepare(settings: Settings, progress: Progress) -> Settings:
    """Make what is missing; the result is what the supervisor will read."""
    settings = _decided(settings)
    if not removal.left_running(settings):
        _must_be_free(settings)
    directories.prepare(settings)
    _write_settings(settings)
    keys.create(settings)
    clouds.write(settings)
    local_agent.configure(settings)
    if not settings.database_url:
        with progress.step("a private PostgreSQL"):
            postgres.create(settings)
    if not settings.simulated_hosts or not settings.ovn_northbound:
        switch.create(settings)
    first_image.build(settings, progress)
    console_assets.bring(settings, progress)
    return settings


def _decided(settings: Settings) -> Settings:
    """Fill in what depends on the machine or on other settings, unless somebody has decided it."""
    path = settings.state_dir / FILE_NAME
    said = set(tomllib.loads(path.read_text())) if path.exists() else set()
    said |= {name for name in _KEPT if f"{ENVIRONMENT_PREFIX}{name.upper()}" in os.environ}
    _, port = host_and_port(settings.listen)
    if "agent_listen" not in said and settings.listen != Settings.listen:
        settings = replace(settings, agent_listen=f"127.0.0.1:{port + 1}")
    if "datapath_type" not in said:
        settings = replace(settings, datapath_type="system" if _KERNEL_SWITCH.exists() else "netdev")
    return settings


def _write_settings(settings: Settings) -> None:
    """Keep the operator's file, but for the lines of what was decided."""
    path = settings.state_dir / FILE_NAME
    names = {field.name for field in fields(Settings)} & set(_KEPT)
    before = (
        path.read_text().splitlines()
        if path.exists()
        else ["# Settings of this cloud; see `volutus config show`."]
    )
    lines = [line for line in before if line.partition("=")[0].strip() not in names]
    # Decided lines come first: behind a [table] they would belong to it.
    decided = [f'{name} = "{getattr(settings, name)}"' for name in _KEPT]
    text = "\n".join([*lines[:1], *decided, *lines[1:]]) + "\n"
    if not path.exists() or path.read_text() != text:
        write_secret(path, text.encode())


def _must_be_free(settings: Settings) -> None:
    for setting in ("listen", "agent_listen"):
        address = getattr(settings, setting)
        host, port = host_and_port(address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise Conflict(f"cannot listen on {address} ({setting}): {error.strerror}") from error
                raise Conflict(
                    f"{address} is in use by another program; choose another: `up --listen ADDR:PORT`",
                    field=setting,
                ) from error

"""The agent of this machine: `DIR/agent/agent.toml`, and the token by which it joins like any other host."""

import json
from pathlib import Path

from volutus.settings import Settings
from volutus.setup import joining
from volutus.setup.files import write_secret
from volutus.supervise import names
from volutus.supervise.sockets import reachable

# What the agent looks for beside its agent.toml.
CERTIFICATE = "host.pem"
TOKEN = "join-token"  # noqa: S105 the name of a file
SIMULATED_TOKENS = "join-tokens"


def configure(settings: Settings) -> None:
    """Write agent.toml anew: everything in it derives from the cloud's settings."""
    host, port = reachable(settings.agent_listen)
    bracketed = f"[{host}]" if ":" in host else host
    values = {
        "control_plane": f"https://{bracketed}:{port}",
        "instance": names.tag(settings) or "0",
        "bridge": names.integration_bridge(settings),
        "datapath_type": settings.datapath_type,
        "pci_devices": settings.pci_devices,
        "iscsi_listen": settings.iscsi_listen,
        "mhz_per_core": settings.mhz_per_core,
        "pools": settings.pools,
        "backup_dir": settings.backup_dir,
        "rbd_pools": settings.rbd_pools,
        "ceph_conf": settings.ceph_conf,
        "ceph_user": settings.ceph_user,
        "ceph_keyring": settings.ceph_keyring,
        "log_level": settings.log_level,
    }
    lines = ["# Written by `volutus up` from the cloud's settings."]
    # A JSON string is a string of TOML too.
    lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    write_secret(settings.state_dir / "agent" / "agent.toml", ("\n".join(lines) + "\n").encode())


def invite(settings: Settings) -> None:
    """Leave a fresh join token for the agent until it has a certificate; simulated hosts need one each."""
    directory = settings.state_dir / "agent"
    if settings.simulated_hosts:
        numbers = range(settings.simulated_hosts)
        new = [
            number for number in numbers if not (directory / "simulated" / str(number) / CERTIFICATE).exists()
        ]
        _leave(directory / SIMULATED_TOKENS, [joining.new_token(settings) for _ in new])
    elif directory.exists() and not (directory / CERTIFICATE).exists():
        _leave(directory / TOKEN, [joining.new_token(settings)])


def _leave(path: Path, tokens: list[str]) -> None:
    if tokens:
        write_secret(path, "\n".join(tokens).encode())

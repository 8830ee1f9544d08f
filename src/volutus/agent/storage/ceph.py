"""How a host gets at a Ceph cluster: what its operator gave it, and the copies that QEMU and tools read."""

import base64
import configparser
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.agent.storage.rbd_tool import MOUNT_TIMEOUT_S

log = logging.getLogger(__name__)

# An operation that a cluster does not answer for this long has failed, for tools; a guest waits for ever.
OPERATION_TIMEOUT_S = 120


@dataclass(frozen=True)
class Ceph:
    """`pools` are storage classes and the cluster's pools that are behind them; `conf` and `keyring` are
    those of `user`. `host_id` is what this host's images begin with."""

    pools: Mapping[str, str]
    conf: Path
    keyring: Path
    user: str
    host_id: str

    def key(self) -> bytes:
        """By which the cluster knows the user. Raises HostFault."""
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(re.sub(r"(?m)^\s+", "", self.keyring.read_text()))
            return base64.b64decode(parser[f"client.{self.user}"]["key"])
        except (OSError, KeyError, ValueError, configparser.Error) as error:
            raise HostFault("The host's key for Ceph cannot be read.", type(error).__name__) from error

    def write_configuration(self, directory: Path) -> None:
        """The cluster's configuration twice: `ceph.conf` for QEMU's user, and `agent.conf`, with the keyring,
        for this agent. Raises HostFault."""
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o711)
        try:
            text = self.conf.read_text()
        except OSError as error:
            if (directory / "agent.conf").exists():
                log.warning("the configuration of Ceph is taken to be as it was: %s", error)
                return
            raise HostFault("The configuration of Ceph cannot be read.", str(error)) from error
        if re.search(r"(?mi)^\s*key\s*=", text):
            raise HostFault("The configuration of Ceph has a key in it, which belongs into a keyring.")
        section = f"\n[client.{self.user}]\nclient mount timeout = {MOUNT_TIMEOUT_S}\n"
        own = f"keyring = {self.keyring}\nrados osd op timeout = {OPERATION_TIMEOUT_S}\n"
        own += "rbd default clone format = 2\nrbd move to trash on remove = false\n"
        for name, content, mode in (
            ("ceph.conf", text + section, 0o644),
            ("agent.conf", text + section + own, 0o600),
        ):
            fresh = directory / f"{name}.new"
            fresh.write_text(content)
            fresh.chmod(mode)
            fresh.replace(directory / name)

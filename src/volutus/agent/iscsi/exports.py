"""Exports by the daemons of this host's iSCSI service.

The order of steps is what makes an end at any point harmless: the disk is shown before there is a target, the
account is bound before anybody may log in, and nothing is forgotten before the target is gone.
"""

import base64
import os
import pwd
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from volutus.agent.faults import HostFault
from volutus.agent.hypervisor.pidwatch import PidWatch, read_pid
from volutus.agent.iscsi import copies, monitor, tgt
from volutus.agent.iscsi.layout import Layout
from volutus.agent.iscsi.monitor import Monitor, MonitorGone
from volutus.agent.iscsi.tgt import Mode, Operation, Order, TgtGone
from volutus.agent.storage import DiskLocation, Keys, RbdImage
from volutus.wire import ExportSpec

# Initiators find the disk as this; 0 is tgtd's own controller.
UNIT = 1
CLOSE_TIMEOUT_S = 30.0
POLL_S = 0.05
_SHOWN = "export-"
# An account whose password nobody is told.
_NOBODY = "nobody"
SECRET_BYTES = 16


class TgtExports:
    """See the module. `secret` gives the CHAP password of an export, which is kept in memory alone; `watch`
    gets the service's process to look after."""

    def __init__(
        self, agent_dir: Path, user: str, secret: Callable[[str], str], watch: PidWatch | None = None
    ) -> None:
        self._watch = watch
        self._layout = Layout(agent_dir)
        self._user = user
        self._secret = secret
        self._secrets: dict[str, str] = {}
        self._served: dict[str, ExportSpec] = {}
        self._seen: dict[str, ExportSpec | None] = {}
        self._lock = threading.Lock()

    def exports(self) -> dict[str, ExportSpec | None]:
        pid = read_pid(self._layout.pid_file)
        if self._watch is not None and pid is not None:
            self._watch.follow(frozenset({pid}))
        try:
            offered, shown = set(self._targets()), self._shown()
        except (TgtGone, MonitorGone):
            # One does not live without the other.
            offered, shown = set(), set()
        except HostFault:
            # It is busy: the host has other things to look after, and nothing is concluded from silence.
            return self._seen
        served = {one: self._served.get(one) for one in offered & shown}
        self._seen = {one: served.get(one) for one in offered | shown}
        return self._seen

    def serve(self, spec: ExportSpec, location: DiskLocation, keys: Keys) -> None:
        with self._lock:
            if spec.id not in self._secrets:
                self._secrets[spec.id] = self._secret(spec.id)
            self._show(spec, location, keys)
            self._offer(spec)
            self._served[spec.id] = spec

    def copy_disk(self, export_id: str, target: Path, *, encrypted: bool) -> None:
        copies.copy(self._session, _node(export_id), self._layout.inside(target), encrypted=encrypted)

    def drop(self, export_id: str) -> None:
        with self._lock:
            self._served.pop(export_id, None)
            self._secrets.pop(export_id, None)
            with suppress(TgtGone):
                self._withdraw(export_id)
            with suppress(MonitorGone):
                self._hide(export_id)
            self._layout.shown(export_id).unlink(missing_ok=True)

    def _show(self, spec: ExportSpec, location: DiskLocation, keys: Keys) -> None:
        """Have the disk appear to the service as a raw file."""
        if spec.id in self._shown():
            return
        shown = self._layout.shown(spec.id)
        shown.touch(0o600)
        account = pwd.getpwnam(self._user)
        os.chown(shown, account.pw_uid, account.pw_gid)
        node = _node(spec.id)
        with self._session() as session:
            # What an end in between left.
            _close(session, spec.id)
            disk: dict[str, Any] = {
                "driver": location.format,
                "node-name": node,
                "read-only": spec.read_only,
                "discard": "unmap",
                "detect-zeroes": "unmap",
                "file": self._opened(session, node, location, keys),
            }
            if keys.disk is not None:
                session.ask("object-add", **{"qom-type": "secret", "id": node, "data": keys.disk.decode()})
                if location.format == "raw":
                    disk |= {"driver": "luks", "key-secret": node}
                else:
                    disk["encrypt"] = {"format": "luks", "key-secret": node}
            session.ask("blockdev-add", **disk)
            export: dict[str, Any] = {"type": "fuse", "id": _SHOWN + spec.id, "node-name": node}
            export["writable"] = not spec.read_only
            place = {"mountpoint": str(self._layout.inside(shown)), "allow-other": "off"}
            session.ask("block-export-add", **export, **place)

    def _opened(self, session: Monitor, node: str, location: DiskLocation, keys: Keys) -> dict[str, Any]:
        """What the disk's format is read from."""
        place = location.place
        if not isinstance(place, RbdImage):
            return {"driver": "file", "filename": str(self._layout.inside(place))}
        secret = _cluster_secret(node)
        data = base64.b64encode(keys.cluster or b"").decode()
        session.ask("object-add", **{"qom-type": "secret", "id": secret, "data": data, "format": "base64"})
        where = {"pool": place.pool, "image": place.name, "conf": str(self._layout.inside(place.conf))}
        return {"driver": "rbd", **where, "user": place.user, "key-secret": secret}

    def _session(self) -> AbstractContextManager[Monitor]:
        return monitor.opened(self._layout.monitor)

    def _hide(self, export_id: str) -> None:
        with self._session() as session:
            _close(session, export_id)

    def _offer(self, spec: ExportSpec) -> None:
        """Have tgtd offer the file. Nobody may log in before the account is bound."""
        self._close_discovery()
        known = tgt.targets(self._layout.door)
        number = known.get(spec.target) or _free(known)
        path = self._layout.inside(self._layout.shown(spec.id))
        account = f"user={spec.user}"
        with_password = f"{account},password={self._secrets[spec.id]}"
        self._ask(Order(Mode.TARGET, Operation.NEW, number, f"targetname={spec.target}"), tgt.TARGET_EXISTS)
        unit = f"path={path},bstype=rdwr"
        self._ask(Order(Mode.UNIT, Operation.NEW, number, unit, UNIT), tgt.UNIT_EXISTS)
        named = f"scsi_id=VOLUTUS {spec.disk_id[:15]},scsi_sn={spec.disk_id}"
        named += ",vendor_id=VOLUTUS,product_id=VOLUME,thin_provisioning=1"
        self._ask(Order(Mode.UNIT, Operation.UPDATE, number, named, UNIT))
        self._ask(Order(Mode.ACCOUNT, Operation.NEW, 0, with_password), tgt.ACCOUNT_EXISTS)
        self._ask(Order(Mode.ACCOUNT, Operation.BIND, number, account), tgt.ACCOUNT_EXISTS)
        everybody = "initiator-address=ALL"
        self._ask(Order(Mode.TARGET, Operation.BIND, number, everybody), tgt.ACL_EXISTS)

    def _close_discovery(self) -> None:
        """Whoever asks which targets there are would be told those of all tenants: so nobody is."""
        account = f"user={_NOBODY}"
        password = secrets.token_hex(SECRET_BYTES)
        self._ask(Order(Mode.ACCOUNT, Operation.NEW, 0, f"{account},password={password}"), tgt.ACCOUNT_EXISTS)
        self._ask(Order(Mode.ACCOUNT, Operation.BIND, tgt.DISCOVERY, account), tgt.ACCOUNT_EXISTS)

    def _withdraw(self, export_id: str) -> None:
        """Cut the sessions, and forget target and account."""
        for name, number in tgt.targets(self._layout.door).items():
            if _id(name) == export_id:
                self._ask(Order(Mode.TARGET, Operation.DELETE, number, force=True), tgt.NO_TARGET)
        self._ask(Order(Mode.ACCOUNT, Operation.DELETE, 0, f"user={export_id}"), tgt.NO_ACCOUNT)

    def _ask(self, order: Order, *fine: int) -> None:
        tgt.ask(self._layout.door, order, fine=fine)

    def _targets(self) -> dict[str, int]:
        """The exports that are targets, with tgtd's numbers."""
        return {_id(name): number for name, number in tgt.targets(self._layout.door).items()}

    def _shown(self) -> set[str]:
        """The exports whose disks are shown."""
        with self._session() as session:
            names = [one["id"] for one in session.ask("query-block-exports")]
        return {name.removeprefix(_SHOWN) for name in names}


def _close(session: Monitor, export_id: str) -> None:
    """End the showing of a disk, wait until nobody has it any more, and close it."""
    copies.end(session, _node(export_id))
    shown = _SHOWN + export_id
    session.forget("block-export-del", id=shown, mode="hard")
    deadline = time.monotonic() + CLOSE_TIMEOUT_S
    while any(one["id"] == shown for one in session.ask("query-block-exports")):
        if time.monotonic() > deadline:
            raise HostFault("The disk could not be closed.", f"{shown} does not end")
        time.sleep(POLL_S)
    session.forget("blockdev-del", **{"node-name": _node(export_id)})
    for secret in (_node(export_id), _cluster_secret(_node(export_id))):
        session.forget("object-del", id=secret)


def _node(export_id: str) -> str:
    """QEMU's name of the disk: it starts with a letter and has no more than 31 characters."""
    return "d" + export_id.replace("-", "")[:30]


def _cluster_secret(node: str) -> str:
    """QEMU's name of the key by which Ceph is reached for a disk."""
    return f"{node}-ceph"


def _id(target: str) -> str:
    """The export of a target, whose name ends with it."""
    return target.rpartition(":")[2]


def _free(known: dict[str, int]) -> int:
    return next(number for number in range(1, len(known) + 2) if number not in known.values())

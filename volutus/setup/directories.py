"""The state directory: its parts and who may enter them.

Two system users besides root work in it: `postgres` and the hypervisor's. They may pass through the directory but not
list it. Where a directory above it shuts them out (a home directory, one from `mktemp -d`), they alone are
let through by an access list, and `destroy` takes that back.
"""

import json
import os
import pwd
import shutil
import struct
from pathlib import Path

from volutus.errors import Invalid
from volutus.settings import Settings
from volutus.supervise import postgres

HYPERVISOR_USER = "libvirt-qemu"
# A unix socket's path has at most 107 characters, and the deepest below the state directory takes 45 of them.
PATH_LENGTH_MAX = 62
_GRANTS_FILE = "let-through.json"
_ACL = "system.posix_acl_access"
_ACL_VERSION = 2
_USER_OBJECT, _USER, _GROUP_OBJECT, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NO_ID = 0xFFFFFFFF
_SEARCH = 1
# Mode and, if not root, owner of each part. Sockets lie in `run`: its users make theirs and cannot remove others'.
_PARTS = {
    "": 0o711,
    "secrets": 0o700,
    "run": 0o1771,
    "run/ovs": 0o750,
    "run/ovn": 0o750,
    "run/libvirt": 0o711,
    "log": 0o711,
    "ovs": 0o750,
    "ovn": 0o750,
    "images": 0o750,
    "agent": 0o711,
}


def prepare(settings: Settings) -> None:
    """Make what is missing and put modes right."""
    if len(str(settings.state_dir)) > PATH_LENGTH_MAX:
        raise Invalid(
            f"the state directory's path is longer than {PATH_LENGTH_MAX} characters, too long for the sockets in it: "
            f"{settings.state_dir}",
            field="state_dir",
        )
    for part, mode in _PARTS.items():
        path = settings.state_dir / part
        path.mkdir(parents=part == "", exist_ok=True)
        path.chmod(mode)
    shutil.chown(settings.run_dir, "root", postgres.USER)
    _let_through(settings.state_dir)


def take_back(state_dir: Path) -> None:
    """Undo what `prepare` changed above the state directory."""
    path = state_dir / _GRANTS_FILE
    if not path.exists():
        return
    for directory, uids in json.loads(path.read_text()).items():
        if Path(directory).exists():
            _write_acl(Path(directory), {uid: 0 for uid in uids})
    path.unlink()


def _let_through(state_dir: Path) -> None:
    uids = [user.pw_uid for user in pwd.getpwall() if user.pw_name in (postgres.USER, HYPERVISOR_USER)]
    granted: dict[str, list[int]] = {}
    for directory in state_dir.parents:
        if directory.stat().st_mode & 0o001:
            continue
        try:
            _write_acl(directory, {uid: _SEARCH for uid in uids})
        except OSError as error:
            raise Invalid(
                f"{directory} lets only its owner in, and {postgres.USER} has to pass: choose another --state-dir, or "
                f"`chmod o+x {directory}`",
                field="state_dir",
            ) from error
        granted[str(directory)] = uids
    if granted:
        (state_dir / _GRANTS_FILE).write_text(json.dumps(granted))


def _write_acl(directory: Path, permissions: dict[int, int]) -> None:
    """Set these users' permissions in the access list of a directory, 0 to take them off it; others' entries stay."""
    entries = {key: value for key, value in _read_acl(directory).items() if key != (_MASK, _NO_ID)}
    for uid, permission in permissions.items():
        entries.pop((_USER, uid), None)
        if permission:
            entries[(_USER, uid)] = permission
    named = [value for (kind, _), value in entries.items() if kind in (_USER, _GROUP)]
    if not named:
        if _ACL in os.listxattr(directory):
            os.removexattr(directory, _ACL)
            # While there was a list, the mode's group bits showed its mask.
            mode = directory.stat().st_mode & 0o7707
            directory.chmod(mode | entries[(_GROUP_OBJECT, _NO_ID)] << 3)
        return
    mask = entries[(_GROUP_OBJECT, _NO_ID)]
    for value in named:
        mask |= value
    entries[(_MASK, _NO_ID)] = mask
    packed = struct.pack("<I", _ACL_VERSION)
    for (kind, number), value in sorted(entries.items()):
        packed += struct.pack("<HHI", kind, value, number)
    os.setxattr(directory, _ACL, packed)


def _read_acl(directory: Path) -> dict[tuple[int, int], int]:
    if _ACL in os.listxattr(directory):
        packed = os.getxattr(directory, _ACL)
        found = struct.iter_unpack("<HHI", packed[4:])
        return {(kind, number): value for kind, value, number in found}
    mode = directory.stat().st_mode
    return {
        (_USER_OBJECT, _NO_ID): mode >> 6 & 7,
        (_GROUP_OBJECT, _NO_ID): mode >> 3 & 7,
        (_OTHER, _NO_ID): mode & 7,
    }

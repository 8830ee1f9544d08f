"""The state directory: its parts and who may enter them.

Nobody but root needs to enter the directories above it: PostgreSQL and QEMU, which do not run as root, see
their parts of it elsewhere, in mount namespaces of their own.
"""

import shutil

from volutus.errors import Invalid
from volutus.settings import Settings
from volutus.supervise import postgres

# A unix socket's path has at most 107 characters, and the longest below the state directory takes 26 of them
# with its slash; the rest is for what the agent keeps for each guest.
PATH_LENGTH_MAX = 64
# The mode of each part. PostgreSQL, as group of `run`, makes its socket there and cannot remove others'.
_PARTS = {
    "": 0o711,
    "secrets": 0o700,
    "run": 0o1771,
    "run/ovs": 0o750,
    "run/ovn": 0o750,
    "run/libvirt": 0o711,
    "libvirt": 0o711,
    "libvirt/etc": 0o711,
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
            f"the state directory's path is longer than {PATH_LENGTH_MAX} characters, too long for the "
            f"sockets in it: {settings.state_dir}",
            field="state_dir",
        )
    for part, mode in _PARTS.items():
        path = settings.state_dir / part
        path.mkdir(parents=part == "", exist_ok=True)
        path.chmod(mode)
    shutil.chown(settings.run_dir, "root", postgres.USER)

"""How the private libvirtd of one cloud is configured and started, for the supervisor to run.

What the driver relies on:

- QEMU runs as an unprivileged user in its seccomp sandbox. libvirt changes no file's owner
  (`dynamic_ownership = 0`, `remember_owner = 0`): the agent itself gives each guest's files to that user,
  so nobody is surprised after a crash between the two.
- `stdio_handler = "file"`: no virtlogd, which is one process less; the agent bounds the log's size.
- A start of libvirtd first runs the KVM probe (`kvm`), up to a second where KVM is there and does not work.
- libvirtd has its own mount namespace in which /etc/libvirt, /run/libvirt, /var/lib/libvirt,
  /var/cache/libvirt and /var/log/libvirt are directories of this cloud, so several clouds share a machine,
  also with a system libvirtd. `ip netns exec` must not start it: that mounts a new /sys without cgroups.
- The agent's directory is seen at `AGENT_VIEW` in that namespace. QEMU opens all its files below it, so the
  state directory may lie under directories that the unprivileged user cannot enter, and no unix socket's path
  becomes longer than the kernel's 107 bytes.
- QEMU processes are not children of libvirtd: killing libvirtd (even with -9) and starting it again, with the
  same command, finds them running. To stop guests use `volutus.agent.main.stop_guests` before libvirtd.

What this module does not do: start anything. It says what to write and what to run.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from volutus.agent.hypervisor import kvm

QEMU_USER = "libvirt-qemu"
"""Debian's libvirt package makes this user; its only other right is to open /dev/kvm."""

AGENT_VIEW = Path("/var/lib/libvirt/agent")
"""Where QEMU and libvirtd see the agent's directory."""

# $1 the state directory, $2 the agent's view, $3 and $4 Python and the KVM probe, $5 QEMU's user. `slave`:
# mounts made later on the host appear (and can be removed) here too, while ours never show outside. Where KVM
# opens but does not work it is hidden: else libvirt asks QEMU for its features again before each call, four
# seconds each time. The agent's directory comes with what is mounted below it: a pool may be a file system of
# its own.
_START = """
for pair in run/libvirt:/run/libvirt libvirt/etc:/etc/libvirt libvirt/cache:/var/cache/libvirt \
            log/libvirt:/var/log/libvirt libvirt/lib:/var/lib/libvirt \
            libvirt/tpm-authority:/var/lib/swtpm-localca; do
    mkdir -p "$1/${pair%%:*}" "${pair#*:}"
    mount --bind "$1/${pair%%:*}" "${pair#*:}"
done
chown "$5:$5" "$1/libvirt/tpm-authority"
chmod 700 "$1/libvirt/tpm-authority"
mkdir -p "$1/agent" "$2"
chmod 711 "$1/agent"
mount --rbind "$1/agent" "$2"
if [ -e /dev/kvm ] && ! timeout 5 "$3" "$4" | grep -qx ok; then
    : > "$1/libvirt/no-kvm"
    chmod 600 "$1/libvirt/no-kvm"
    mount --bind "$1/libvirt/no-kvm" /dev/kvm
fi
exec /usr/sbin/libvirtd --pid-file /run/libvirt/libvirtd.pid --config /etc/libvirt/libvirtd.conf
"""


@dataclass(frozen=True)
class LibvirtDaemon:
    """One cloud's libvirtd. `host_uuid` must differ between hosts, else guests cannot migrate."""

    state_dir: Path
    host_uuid: str
    qemu_user: str = QEMU_USER

    @property
    def socket(self) -> Path:
        """The socket that appears when libvirtd is ready."""
        return self.state_dir / "run" / "libvirt" / "libvirt-sock"

    @property
    def uri(self) -> str:
        """What the agent connects to."""
        return f"qemu:///system?socket={self.socket}"

    @property
    def configuration_dir(self) -> Path:
        """Where the files of `libvirt_configuration` belong."""
        return self.state_dir / "libvirt" / "etc"


def libvirt_configuration(daemon: LibvirtDaemon) -> dict[str, str]:
    """File name in `daemon.configuration_dir` to its content; to be written before each start."""
    return {"libvirtd.conf": _libvirtd_conf(daemon), "qemu.conf": _qemu_conf(daemon)}


def libvirtd_command(daemon: LibvirtDaemon) -> list[str]:
    """The command of libvirtd as a foreground child: it stays the same process from start to end, so its pid
    is the supervisor's child. Needs root. It inherits the network namespace."""
    unshare = ["unshare", "--mount", "--propagation", "slave"]
    return [
        *unshare,
        "sh",
        "-eufc",
        _START,
        "libvirtd",
        str(daemon.state_dir),
        str(AGENT_VIEW),
        sys.executable,
        kvm.__file__,
        daemon.qemu_user,
    ]


def _libvirtd_conf(daemon: LibvirtDaemon) -> str:
    # The socket is root's alone: whoever may speak to libvirtd may do anything on the host.
    # keepalive_interval -1: the peer is on the same machine, and a stopped debugger must not cut it off.
    return f"""\
host_uuid = "{daemon.host_uuid}"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
unix_sock_ro_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
listen_tls = 0
listen_tcp = 0
min_workers = 2
max_workers = 8
max_clients = 20
log_outputs = "3:stderr"
keepalive_interval = -1
"""


def _qemu_conf(daemon: LibvirtDaemon) -> str:
    # security_driver none: AppArmor's profiles name libvirt's standard directories. Isolation is the
    # unprivileged user, the seccomp sandbox, and cgroups, also for devices. A mount namespace for each QEMU
    # would only hide /dev, and cannot be made where KVM is hidden. A trusted module runs as QEMU's user,
    # because libvirt, which changes no owner, would else leave QEMU without its socket.
    return f"""\
user = "{daemon.qemu_user}"
group = "{daemon.qemu_user}"
swtpm_user = "{daemon.qemu_user}"
swtpm_group = "{daemon.qemu_user}"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
seccomp_sandbox = 1
namespaces = [ ]
stdio_handler = "file"
vnc_listen = "127.0.0.1"
max_core = 0
"""

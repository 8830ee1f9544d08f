"""The private libvirtd of this host as a child of the supervisor. What it is told is the agent's business."""

import uuid

from volutus.agent.hypervisor import daemon
from volutus.settings import Settings
from volutus.supervise.child import Child
from volutus.supervise.sockets import accepts


def child(settings: Settings) -> Child:
    """The hypervisor's daemon; QEMU processes are not its children and outlive it."""
    described = describe(settings)
    return Child(
        name="libvirtd",
        argv=tuple(daemon.libvirtd_command(described)),
        prepare=lambda: _configure(described),
        ready=lambda: accepts(described.socket),
        # It waits until processes that it killed are buried. Those of one that outlived its supervisor fall
        # to process 1, which may bury nobody; those of one started anew fall to the new supervisor.
        adoptable=False,
    )


def describe(settings: Settings) -> daemon.LibvirtDaemon:
    """This host's daemon. Its identity is made once: libvirt refuses to migrate between hosts that share
    one."""
    path = settings.state_dir / "libvirt" / "host-uuid"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(uuid.uuid4()))
    return daemon.LibvirtDaemon(state_dir=settings.state_dir, host_uuid=path.read_text().strip())


def _configure(described: daemon.LibvirtDaemon) -> None:
    described.configuration_dir.mkdir(parents=True, exist_ok=True)
    for name, text in daemon.libvirt_configuration(described).items():
        (described.configuration_dir / name).write_text(text)

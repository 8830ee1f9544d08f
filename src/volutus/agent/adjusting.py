"""Changes of a guest that runs: devices plugged in and let go, and its size."""

from collections.abc import Callable

from volutus.agent.actions import Adjustment, AttachDisk, AttachNic, DetachDisk, DetachNic, GrowGuest, SetCpu
from volutus.agent.hypervisor import Hypervisor
from volutus.agent.network import Network
from volutus.agent.storage import DiskLocation


def adjust(
    action: Adjustment, hypervisor: Hypervisor, network: Network, located: Callable[[str], DiskLocation]
) -> bool:
    """Carry it out; whether the guest has to help, so that one looks again later. Raises HostFault."""
    match action:
        case AttachDisk(guest_id, disk):
            hypervisor.attach_disk(guest_id, disk, located(disk.disk_id))
        case DetachDisk(guest_id, disk_id):
            hypervisor.detach_disk(guest_id, disk_id)
            return True
        case AttachNic(guest_id, nic):
            hypervisor.attach_nic(guest_id, nic, network.tap(nic.port_id))
        case DetachNic(guest_id, port_id):
            hypervisor.detach_nic(guest_id, port_id)
            return True
        case SetCpu(guest_id, mhz):
            hypervisor.set_mhz(guest_id, mhz)
        case GrowGuest(guest_id, cores, memory_mib):
            hypervisor.grow(guest_id, cores, memory_mib)
    return False

"""The order for a host: what a server's guest should be, from the server's row, its disks and its cards."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from volutus import network, volume
from volutus.compute import hardware, instance_data, rescue_disks, steps
from volutus.compute.hardware import Shape
from volutus.compute.instance_data import Addresses
from volutus.compute.servers import Server
from volutus.compute.steps import Step
from volutus.db import Tx
from volutus.volume import Role
from volutus.wire import DiskSource, GuestDisk, GuestSpec, Power

# Nova's default, and long enough for a guest that writes out its caches.
SHUTDOWN_TIMEOUT_S = 60


def spec_of(tx: Tx, server: Server) -> GuestSpec:
    """What to say to the host now. The same facts give the same order, byte for byte."""
    shape = shape_of(server)
    machine = hardware.of(shape)
    nics = [replace(nic, model=hardware.nic_model(shape)) for nic in network.guest_nics(tx, server.id)]
    own = volume.guest_disks(tx, server.id, rescue_first=rescue_disks.is_first(server))
    disks = rescue_disks.arranged(server, hardware.placed(shape, machine, own))
    boot = server.step_data if rescue_disks.is_booting_rescue(server) else _own_boot(server)
    return GuestSpec(
        id=server.id,
        name=server.name,
        power=Power.OFF if steps.step_of(server) in steps.HELD_OFF else Power(server.power),
        cores=server.cores,
        mhz=server.mhz,
        memory_mib=server.memory_mib,
        disks=disks,
        nics=nics,
        soft_reboots=server.soft_reboots,
        hard_reboots=server.hard_reboots,
        shutdown_timeout_s=_shutdown_timeout_s(server),
        config_drive=server.config_drive,
        metadata=instance_data.tree(server, nics, _addresses(tx, server), _devices(tx, server, disks)),
        kernel_image=_source(boot["kernel"]),
        ramdisk_image=_source(boot["ramdisk"]),
        kernel_command_line=boot["command_line"],
        hardware=machine,
    )


def shape_of(server: Server) -> Shape:
    """While it has a rescue disk, that one boots, and what else there is are disks."""
    has_rescue_disk = server.step == Step.RESCUE_DISK or rescue_disks.is_booting_rescue(server)
    return Shape(
        server.image_properties,
        server.extra_specs,
        server.cores,
        server.memory_mib,
        "" if has_rescue_disk else server.image_format,
    )


def _addresses(tx: Tx, server: Server) -> Addresses:
    found = network.addresses(tx, [server.id]).get(server.id, [])
    version_4 = [address for address in found if address.version == 4]
    local = next((address.ip for address in version_4 if address.type == "fixed"), "")
    public = next((address.ip for address in version_4 if address.type == "floating"), "")
    names = network.security_groups_of(tx, [server.id]).get(server.id, [])
    return Addresses(local, public, tuple(names))


def _devices(tx: Tx, server: Server, disks: Sequence[GuestDisk]) -> dict[str, str]:
    """The disks that the metadata name, and their devices: the one booted from, ephemeral disks and swap."""
    if not disks:
        return {}
    found = {"root": next((disk.target for disk in disks if disk.boot_index == 0), disks[0].target)}
    if server.ephemeral_gib or server.swap_mib:
        targets = {disk.disk_id: disk.target for disk in disks}
        own = volume.own_disks(tx, [server.id])[server.id]
        local = [disk for disk in own if disk.role in (Role.EPHEMERAL, Role.SWAP)]
        found |= {disk.label or disk.role.value: targets[disk.id] for disk in local}
    return found


def _shutdown_timeout_s(server: Server) -> int:
    asked = str(server.image_properties.get("os_shutdown_timeout", ""))
    return int(asked) if asked.isascii() and asked.isdigit() else SHUTDOWN_TIMEOUT_S


def _own_boot(server: Server) -> dict[str, Any]:
    return {
        "kernel": server.kernel_image,
        "ramdisk": server.ramdisk_image,
        "command_line": str(server.image_properties.get("os_command_line", "")),
    }


def _source(image: dict[str, str] | None) -> DiskSource | None:
    return DiskSource(**image) if image else None

"""What compute and volume need to make a disk or a guest from an image."""

from dataclasses import dataclass

from volutus.db import Tx
from volutus.identity import Caller
from volutus.image import faults, images
from volutus.image.models import Image

GIB = 1 << 30
# What is inside a container of another kind is not a disk.
_BOOTABLE_CONTAINERS = ("bare", "ami", "ovf")
_NOT_DISKS = ("aki", "ari")


@dataclass(frozen=True)
class BootParts:
    """The kernel and initial RAM file system that the image's properties name, and their command line."""

    kernel: Image | None = None
    ramdisk: Image | None = None
    command_line: str = ""


def get_usable(
    tx: Tx, caller: Caller, image_id: str, *, disk_gib: int | None = None, memory_mib: int | None = None
) -> Image:
    """The image, if a disk can be made from it. With `disk_gib` and `memory_mib` also whether it fits a disk
    and a guest of that size; 0 GiB means a disk as large as the image."""
    image = get_bootable(tx, caller, image_id, disk_gib=disk_gib, memory_mib=memory_mib)
    if image.is_description:
        raise faults.NotBootable(f"Image {image_id} has no bytes: it names what a server boots from.")
    return image


def get_bootable(
    tx: Tx, caller: Caller, image_id: str, *, disk_gib: int | None = None, memory_mib: int | None = None
) -> Image:
    """The same of an image that a server boots from, which need have no bytes if it says from what else."""
    image = _active(tx, caller, image_id)
    if image.container_format not in _BOOTABLE_CONTAINERS or image.disk_format in _NOT_DISKS:
        raise faults.NotBootable(f"Image {image_id} is not a disk.")
    if memory_mib is not None and memory_mib < image.min_ram_mib:
        raise faults.TooLittleMemory(
            f"Image {image_id} needs {image.min_ram_mib} MiB of memory, not {memory_mib}."
        )
    if disk_gib and not image.is_description:
        if disk_gib < image.min_disk_gib:
            raise faults.TooLittleDisk(
                f"Image {image_id} needs a disk of {image.min_disk_gib} GiB, not {disk_gib}."
            )
        if disk_gib * GIB < (image.virtual_size_bytes or 0):
            raise faults.TooLittleDisk(
                f"Image {image_id} is {image.virtual_size_bytes} bytes large, more than {disk_gib} GiB."
            )
    return image


def boot_parts(tx: Tx, caller: Caller, image: Image) -> BootParts:
    """The further images that booting this one takes, each of them active."""
    kernel_id, ramdisk_id = image.properties.get("kernel_id"), image.properties.get("ramdisk_id")
    if not kernel_id:
        return BootParts()
    return BootParts(
        kernel=_active(tx, caller, kernel_id),
        ramdisk=_active(tx, caller, ramdisk_id) if ramdisk_id else None,
        command_line=image.properties.get("os_command_line", ""),
    )


def _active(tx: Tx, caller: Caller, image_id: str) -> Image:
    image = images.get(tx, caller, image_id)
    if image.status != "active":
        raise faults.NotReady(f"Image {image_id} is not active.")
    return image

"""The disks of a server that is being ordered: its own root disk, or the volumes it boots from and gets."""

from collections.abc import Sequence
from dataclasses import dataclass

from volutus import volume
from volutus.compute import local_disks
from volutus.compute.flavors import Flavor
from volutus.compute.local_disks import LocalDisks, Wanted
from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.image import Image
from volutus.volume import AttachOptions, RootDisk, VolumeOrder

GIB = 1 << 30


@dataclass(frozen=True)
class BlockDevice:
    """One line of Nova's `block_device_mapping_v2`: `source` is image, volume, snapshot or blank,
    `destination` volume or local. Without a `bus` it is on the one that the image asks for. `size` is in GiB,
    of swap in MiB; `guest_format` is `swap`, or the file system of an ephemeral disk."""

    source: str
    destination: str
    uuid: str | None = None
    size: int | None = None
    boot_index: int | None = None
    device: str | None = None
    delete_on_termination: bool = False
    volume_type: str | None = None
    tag: str | None = None
    bus: str | None = None
    device_type: str | None = None
    guest_format: str | None = None

    @property
    def is_root_image(self) -> bool:
        """The server's own disk made from the image, said the long way."""
        return self.source == "image" and self.destination == "local" and self.boot_index == 0

    @property
    def is_local(self) -> bool:
        """An ephemeral disk or swap."""
        return self.source == "blank" and self.destination == "local"


@dataclass(frozen=True)
class DisksOrder:
    """All disks of one server; `image` and `root_gib` are of its own root disk, made unless it boots from a
    volume. `local` are its ephemeral disks and swap."""

    server_id: str
    devices: Sequence[BlockDevice]
    image: Image | None
    root_gib: int
    local: LocalDisks
    zone: str | None


def boot_image(devices: Sequence[BlockDevice]) -> str | None:
    """The image that the first device is made from, if it is made from one."""
    found = [device for device in devices if device.boot_index == 0 and device.source == "image"]
    return found[0].uuid if found else None


def gib_of(image: Image) -> int:
    """The size of the image's disk, rounded up."""
    return -(-(image.virtual_size_bytes or image.size_bytes or 0) // GIB)


def root_gib(flavor: Flavor, image: Image | None) -> int:
    """The size of a root disk: the flavor's, or with none as large as the image asks."""
    if flavor.disk_gib or image is None:
        return flavor.disk_gib
    return max(gib_of(image), image.min_disk_gib, 1)


def source_of(image: Image | None) -> dict[str, str] | None:
    """An image as a host is told of it."""
    if image is None:
        return None
    return {"image_id": image.id, "image_format": image.driver, "sha256": image.sha256 or ""}


def local_disks_of(devices: Sequence[BlockDevice], flavor: Flavor) -> LocalDisks:
    """The ephemeral disks and the swap of an order. Raises Invalid."""
    wanted = []
    for device in devices:
        if device.is_local:
            _check_local(device)
            swap = device.guest_format == local_disks.SWAP
            wanted.append(Wanted(swap, device.size, None if swap else device.guest_format))
    return local_disks.of_order(wanted, flavor)


def _check_local(device: BlockDevice) -> None:
    said = {
        "uuid": device.uuid,
        "boot_index": device.boot_index,
        "volume_type": device.volume_type,
        "tag": device.tag,
        "disk_bus": device.bus,
    }
    if device.device_type not in (None, "disk"):
        said["device_type"] = device.device_type
    for field, value in said.items():
        if value is not None:
            raise Invalid(f"An ephemeral disk or swap has no {field}.", field=field)


def order(tx: Tx, caller: Caller, wanted: DisksOrder) -> int:
    """Order and reserve all disks; how many GiB of its host the server's own root disk takes. What it boots
    from comes first, then ephemeral disks and swap: so they are named."""
    devices = [device for device in wanted.devices if not (device.is_root_image or device.is_local)]
    _check(devices, wanted)
    boots = [device for device in devices if device.boot_index == 0]
    for device in boots:
        _tie(tx, caller, device, wanted)
    if not boots:
        volume.order_root(tx, caller, RootDisk(wanted.server_id, wanted.image, wanted.root_gib))
    local_disks.order(tx, caller, wanted.server_id, wanted.local)
    for device in devices:
        if device not in boots:
            _tie(tx, caller, device, wanted)
    return 0 if boots else wanted.root_gib


def _check(devices: Sequence[BlockDevice], wanted: DisksOrder) -> None:
    if len(devices) + len(wanted.local.ephemerals) + 2 > volume.DISKS_PER_SERVER_MAX:
        raise Invalid(
            f"A server has at most {volume.DISKS_PER_SERVER_MAX} disks, its root and swap among them.",
            field="block_device_mapping_v2",
        )
    booting = [device.boot_index for device in devices if (device.boot_index or -1) >= 0]
    if len(set(booting)) != len(booting):
        raise Invalid(
            "Boot sequence for the instance and image/block device mapping combination is not valid."
        )
    for device in devices:
        if device.destination != "volume":
            raise Invalid(
                "Only the image's own disk and blank ones can be local; all others are volumes.",
                field="block_device_mapping_v2",
            )
        if device.source != "blank" and device.uuid is None:
            raise Invalid("A block device needs the uuid of its source.", field="block_device_mapping_v2")
        if device.source in ("blank", "image") and not device.size:
            raise Invalid(
                "Images and blank devices with destination_type 'volume' need to have a non-zero size.",
                field="block_device_mapping_v2",
            )


def _tie(tx: Tx, caller: Caller, device: BlockDevice, wanted: DisksOrder) -> None:
    options = AttachOptions(
        delete_on_termination=device.delete_on_termination,
        boot_index=device.boot_index,
        tag=device.tag,
        bus=device.bus,
        device_type=device.device_type,
    )
    if device.source == "volume":
        found = volume.get_volume(tx, caller, device.uuid or "")
        if device.boot_index == 0 and not found.bootable:
            raise Invalid(f"Block Device {found.id} is not bootable.", field="block_device_mapping_v2")
        volume.reserve(tx, caller, found.id, wanted.server_id, device.device, options)
        return
    made = VolumeOrder(
        size_gib=device.size,
        name="",
        image_id=device.uuid if device.source == "image" else None,
        snapshot_id=device.uuid if device.source == "snapshot" else None,
        type=device.volume_type,
        zone=wanted.zone,
        waits=True,
    )
    volume.order_boot_volume(tx, caller, made, wanted.server_id, options)

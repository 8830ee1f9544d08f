"""Images without bytes: which snapshots of volumes a server made from one boots with.

Nova makes such an image of a server that boots from a volume. The snapshots are in its property
`block_device_mapping`, as JSON with the names of `block_device_mapping_v2`; tenants write it by hand, too.
"""

from collections.abc import Mapping, Sequence

import msgspec

from volutus.compute.server_disks import BlockDevice
from volutus.errors import Invalid
from volutus.image import Image
from volutus.volume import Attachment, Snapshot

PROPERTY = "block_device_mapping"
# What only the image itself is about, and not the server made from it.
PROPERTIES = (PROPERTY, "bdm_v2", "root_device_name")


class _Entry(msgspec.Struct, kw_only=True):
    """One device of the mapping. What Nova writes beside these says nothing that is used here."""

    source_type: str
    destination_type: str = "volume"
    snapshot_id: str | None = None
    volume_id: str | None = None
    image_id: str | None = None
    volume_size: int | None = None
    boot_index: int | None = None
    device_name: str | None = None
    delete_on_termination: bool | None = None
    volume_type: str | None = None
    tag: str | None = None
    disk_bus: str | None = None
    device_type: str | None = None

    def device(self) -> BlockDevice:
        """The same as an order has it."""
        ids = {"snapshot": self.snapshot_id, "volume": self.volume_id, "image": self.image_id}
        return BlockDevice(
            source=self.source_type,
            destination=self.destination_type,
            uuid=ids.get(self.source_type),
            size=self.volume_size,
            boot_index=self.boot_index,
            device=self.device_name,
            delete_on_termination=bool(self.delete_on_termination),
            volume_type=self.volume_type,
            tag=self.tag,
            bus=self.disk_bus,
            device_type=self.device_type,
        )


def described(tied: Sequence[Attachment], taken: Mapping[str, Snapshot]) -> dict[str, str]:
    """The properties of an image of a server with these volumes, whose snapshots are `taken` by volume."""
    entries = [
        _Entry(
            source_type="snapshot",
            snapshot_id=taken[one.volume_id].id,
            volume_size=taken[one.volume_id].size_gib,
            boot_index=one.boot_index,
            device_name=one.device,
            delete_on_termination=one.delete_on_termination,
            tag=one.tag,
            disk_bus=one.bus,
            device_type=one.device_type,
        )
        for one in tied
    ]
    root = next((one.device for one in tied if one.boot_index == 0), None)
    named = {"root_device_name": root} if root else {}
    return {PROPERTY: msgspec.json.encode(entries).decode(), "bdm_v2": "True", **named}


def merged(found: Image, asked: Sequence[BlockDevice]) -> list[BlockDevice]:
    """The devices that the image names, but for those whose place the order fills; with those that the order
    adds. Raises Invalid naming the property where it cannot be read."""
    try:
        entries = msgspec.json.decode(found.properties.get(PROPERTY, "[]"), type=list[_Entry])
    except msgspec.DecodeError as error:
        raise Invalid(f"Image {found.id} has a bad {PROPERTY}: {error}.", field="imageRef") from error
    named = [entry.device() for entry in entries]
    if not any(device.boot_index == 0 for device in named):
        raise Invalid(f"Image {found.id} has no bytes, and names no device to boot from.", field="imageRef")
    filled = {device.device for device in asked if device.device}
    own = [device for device in asked if not device.is_root_image]
    return [*(device for device in named if device.device not in filled), *own]

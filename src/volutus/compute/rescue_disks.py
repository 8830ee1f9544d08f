"""Where the rescue disk is among a guest's disks, and how it is plugged in."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from volutus.compute.hardware import BUSES
from volutus.compute.servers import Server
from volutus.compute.steps import Step
from volutus.errors import Invalid
from volutus.image import Image
from volutus.wire import GuestDisk

_DEVICES = ("disk", "cdrom")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def look_of(found: Image) -> dict[str, Any] | None:
    """How the rescue disk is plugged in, where its image says so."""
    device, bus = found.properties.get("hw_rescue_device"), found.properties.get("hw_rescue_bus")
    if device is None and bus is None:
        return None
    look = {"device": device or "disk", "bus": bus or ("ide" if device == "cdrom" else "virtio")}
    if look["device"] not in _DEVICES or look["bus"] not in BUSES:
        raise Invalid(
            f"The image's hw_rescue_device {device} with hw_rescue_bus {bus} is not possible here.",
            field="rescue_image_ref",
        )
    return look


def is_booting_rescue(server: Server) -> bool:
    """Whether the guest's next start is from the rescue disk."""
    return server.step in (Step.RESCUE_START, Step.RESCUED)


def is_first(server: Server) -> bool:
    """Whether the rescue disk is before all others, which move behind it."""
    return is_booting_rescue(server) and not server.step_data.get("look")


def arranged(server: Server, own: Sequence[GuestDisk]) -> list[GuestDisk]:
    """The guest's disks, of which the last is the rescue disk while there is one that is not to be first, as
    they should be now."""
    if server.step == Step.RESCUE_DISK:
        # Nothing of it is told before it is there: the guest that runs would be given it as a new disk.
        return list(own[:-1])
    look = server.step_data.get("look") if is_booting_rescue(server) else None
    if not look:
        return list(own)
    others = [replace(disk, boot_index=None) for disk in own[:-1]]
    taken = {disk.target for disk in others}
    prefix = BUSES[look["bus"]]
    target = next(f"{prefix}{letter}" for letter in _LETTERS if f"{prefix}{letter}" not in taken)
    placed = replace(own[-1], bus=look["bus"], device=look["device"], target=target, boot_index=0)
    return [*others, replace(placed, read_only=look["device"] == "cdrom")]

"""What a new volume starts as: nothing, an image, a snapshot or another volume."""

from collections.abc import Mapping
from typing import Any, Protocol

from volutus.volume.status import GIB
from volutus.wire import DiskSource


class Image(Protocol):
    """What is asked of an image."""

    id: str
    name: str | None
    disk_format: str | None
    container_format: str | None
    size_bytes: int | None
    virtual_size_bytes: int | None
    min_disk_gib: int
    min_ram_mib: int
    sha256: str | None
    properties: Mapping[str, Any]


def image_source(image: Image) -> DiskSource:
    """The image as the agent is told of it."""
    return DiskSource(image_id=image.id, image_format=image.disk_format, sha256=image.sha256)


def image_metadata(image: Image) -> dict[str, str]:
    """What a volume remembers of its image, as clients read it."""
    return {
        **{name: str(value) for name, value in image.properties.items()},
        "image_id": image.id,
        "image_name": image.name or "",
        "checksum": image.sha256 or "",
        "container_format": image.container_format or "bare",
        "disk_format": image.disk_format or "raw",
        "min_disk": str(image.min_disk_gib),
        "min_ram": str(image.min_ram_mib),
        "size": str(image.size_bytes or 0),
    }


def least_size_gib(image: Image) -> int:
    """The smallest volume that the image fits into."""
    size_bytes = image.virtual_size_bytes or image.size_bytes or 0
    return max(1, image.min_disk_gib, -(-size_bytes // GIB))

"""What a new volume starts as: nothing, an image, a snapshot or another volume."""

from volutus.image import Image
from volutus.wire import DiskSource


def image_source(image: Image) -> DiskSource:
    """The image as the agent is told of it."""
    return DiskSource(image_id=image.id, image_format=image.driver, sha256=image.sha256)


def image_metadata(image: Image) -> dict[str, str]:
    """What a volume remembers of its image, as clients read it."""
    return {
        **{name: str(value) for name, value in image.properties.items()},
        "image_id": image.id,
        "image_name": image.name or "",
        "checksum": image.md5 or "",
        "container_format": image.container_format or "bare",
        "disk_format": image.disk_format or "raw",
        "min_disk": str(image.min_disk_gib),
        "min_ram": str(image.min_ram_mib),
        "size": str(image.size_bytes or 0),
    }

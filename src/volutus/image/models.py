"""Images as the domain knows them: what a tenant may set, and the whole."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row

VISIBILITIES = ("public", "community", "shared", "private")
DISK_FORMATS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso")
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
# A tenant's notes on an image are not a data store.
TAGS_MAX = 128
PROPERTIES_MAX = 128
TEXT_MAX = 255
# Glance's own default cap; a file system that takes more is rare, a client in a loop is not.
IMAGE_BYTES_MAX = 1 << 40


@dataclass(frozen=True)
class ImageFields:
    """What may be set on an image. `owner` None means the caller's project when creating."""

    owner: str | None = None
    name: str | None = None
    visibility: str = "shared"
    protected: bool = False
    hidden: bool = False
    disk_format: str | None = None
    container_format: str | None = None
    min_disk_gib: int = 0
    min_ram_mib: int = 0
    tags: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Image:
    """An image and how far its data has come. `status` is Glance's word for it. The sums and sizes are
    there as soon as the data is. `import_state` tells of the newest import, if there was one."""

    id: str
    owner: str | None
    name: str | None
    visibility: str
    protected: bool
    hidden: bool
    disk_format: str | None
    container_format: str | None
    min_disk_gib: int
    min_ram_mib: int
    tags: tuple[str, ...]
    properties: Mapping[str, str]
    created_at: datetime
    updated_at: datetime
    status: str
    size_bytes: int | None
    virtual_size_bytes: int | None
    md5: str | None
    sha256: str | None
    import_state: str | None

    @property
    def fields(self) -> ImageFields:
        """The part that may be set."""
        return ImageFields(**{name: getattr(self, name) for name in FIELD_NAMES})

    @property
    def has_data(self) -> bool:
        return self.status in ("active", "deactivated")

    @property
    def is_description(self) -> bool:
        """Active without bytes: its properties say what a server made from it boots from."""
        return self.has_data and self.size_bytes == 0

    @property
    def driver(self) -> str:
        """QEMU's name for the format of the bytes."""
        return DRIVERS.get(self.disk_format or "", self.disk_format or "raw")


# Glance's names for formats that QEMU calls otherwise.
DRIVERS = {"ami": "raw", "aki": "raw", "ari": "raw", "iso": "raw", "vhd": "vpc"}
FIELD_NAMES = tuple(f.name for f in dataclasses.fields(ImageFields))
_COLUMN_NAMES = tuple(f.name for f in dataclasses.fields(Image))


def from_row(row: Row[Any]) -> Image:
    """The image that a row of the table holds."""
    values = {name: getattr(row, name) for name in _COLUMN_NAMES}
    return Image(**{**values, "tags": tuple(sorted(values["tags"]))})

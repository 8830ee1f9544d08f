"""Images: what disks and guests start as. Rows say what an image is, `ImageStore` has the bytes.

For tenants: `create`, `get`, `page`, `change`, `delete`, `set_deactivated`, tags, `members`; bytes: `data`.

For compute and volume: `get_usable` (active, a disk, fits), `get_bootable`, `describe`, `boot_parts` (kernel
and initial RAM file system), `open_file`. For hosts: `file_path`. At set-up: `register_built`. In the
reconciler process: `ImageCollector`.
"""

from volutus.image import caches, data, definitions, faults, imports, members, tasks
from volutus.image.booting import BootParts, boot_parts, get_bootable, get_usable
from volutus.image.builtin import register_built
from volutus.image.collector import ImageCollector
from volutus.image.data import file_path, open_file
from volutus.image.images import (
    add_tag,
    change,
    create,
    delete,
    describe,
    discard,
    get,
    remove_tag,
    set_deactivated,
    status_of,
    uploads_under_way,
)
from volutus.image.importer import ImageImporter
from volutus.image.imports import IMPORT_FORMATS, ImportRules
from volutus.image.listing import ImageFilter, TimeBound, page
from volutus.image.models import CONTAINER_FORMATS, DISK_FORMATS, VISIBILITIES, Image, ImageFields
from volutus.image.reach import Reach
from volutus.image.store import ImageStore

__all__ = [
    "CONTAINER_FORMATS",
    "DISK_FORMATS",
    "IMPORT_FORMATS",
    "VISIBILITIES",
    "BootParts",
    "Image",
    "ImageCollector",
    "ImageFields",
    "ImageFilter",
    "ImageImporter",
    "ImageStore",
    "ImportRules",
    "Reach",
    "TimeBound",
    "add_tag",
    "boot_parts",
    "caches",
    "change",
    "create",
    "data",
    "definitions",
    "delete",
    "describe",
    "discard",
    "faults",
    "file_path",
    "get",
    "get_bootable",
    "get_usable",
    "imports",
    "members",
    "open_file",
    "page",
    "register_built",
    "remove_tag",
    "set_deactivated",
    "status_of",
    "tasks",
    "uploads_under_way",
]

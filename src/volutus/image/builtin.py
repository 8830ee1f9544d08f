"""Takes images built on this machine into the cloud, as public images that nobody's quota pays for."""

from pathlib import Path

from sqlalchemy import insert, select, update

from volutus import audit
from volutus.db import Tx
from volutus.identity.caller import CLOUD
from volutus.image.images import KIND
from volutus.image.inspection import inspect
from volutus.image.models import Image, ImageFields, from_row
from volutus.image.store import ImageStore
from volutus.image.tables import images
from volutus.imagebuild import BuiltImage

# Says which recipe an image came from, so that a newer build takes its place.
RECIPE = "volutus_recipe"


def register_built(tx: Tx, store: ImageStore, built: BuiltImage, owner: str | None = None) -> Image:
    """Offer the image under its recipe's name. Doing it again with the same files changes nothing; a newer
    build hides the older one, which servers may still use."""
    present = tx.row(
        select(images)
        .where(
            images.c.properties[RECIPE].astext == built.name,
            images.c.deleted_at.is_(None),
            images.c.hidden.is_(False),
        )
        .order_by(images.c.created_at.desc())
        .limit(1)
    )
    if present is not None and present.properties.get("volutus_build") == built.build_id:
        return from_row(present)
    if present is not None:
        tx.execute(update(images).where(images.c.id == present.id).values(hidden=True, updated_at=tx.now))
    properties = _properties(built)
    for key, path, kind in (("kernel_id", built.kernel, "aki"), ("ramdisk_id", built.ramdisk, "ari")):
        if path is not None:
            part = ImageFields(
                owner=owner,
                name=f"{built.name}-{key.removesuffix('_id')}",
                visibility="public",
                hidden=True,
                disk_format=kind,
                container_format=kind,
            )
            properties[key] = _take_in(tx, store, path, part).id
    disk = ImageFields(
        owner=owner,
        name=built.name,
        visibility="public",
        disk_format=built.disk_format,
        container_format="bare",
        min_disk_gib=built.min_disk_gib,
        min_ram_mib=built.min_ram_mib,
        properties=properties,
    )
    return _take_in(tx, store, built.disk, disk)


def _properties(built: BuiltImage) -> dict[str, str]:
    return {
        RECIPE: built.name,
        "volutus_build": built.build_id,
        "architecture": "x86_64",
        "hw_disk_bus": "virtio",
        "hw_live_resize": "true",
        "hw_qemu_guest_agent": "yes",
        "hw_rng_model": "virtio",
        "hw_vif_model": "virtio",
        "os_admin_user": built.default_user,
        "os_command_line": built.kernel_command_line,
        "os_distro": built.os_distro,
        "os_type": "linux",
    }


def _take_in(tx: Tx, store: ImageStore, source: Path, fields: ImageFields) -> Image:
    image_id = tx.ids.uuid()
    assert fields.disk_format is not None and fields.container_format is not None
    with source.open("rb") as file:
        virtual_size_bytes = inspect(file, fields.disk_format, fields.container_format)
    sums = store.take_in(source, tx.ids.uuid(), image_id)
    values = {
        **{name: getattr(fields, name) for name in ("owner", "name", "visibility", "protected", "hidden")},
        **{name: getattr(fields, name) for name in ("disk_format", "container_format", "min_disk_gib")},
        "min_ram_mib": fields.min_ram_mib,
        "tags": list(fields.tags),
        "properties": dict(fields.properties),
        "id": image_id,
        "created_at": tx.now,
        "updated_at": tx.now,
        "activated_at": tx.now,
        "virtual_size_bytes": virtual_size_bytes,
        "size_bytes": sums.size_bytes,
        "md5": sums.md5,
        "sha256": sums.sha256,
    }
    row = tx.row(insert(images).values(values).returning(images))
    assert row is not None
    audit.record(tx, CLOUD, "create", KIND, image_id, {"name": fields.name})
    return from_row(row)

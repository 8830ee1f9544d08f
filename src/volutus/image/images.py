"""Images: create, find, change, delete. Their bytes are the business of `data`."""

import dataclasses
import uuid
from collections.abc import Callable

from sqlalchemy import func, insert, select, update

from volutus import audit, quota
from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.identity.caller import CLOUD
from volutus.image import faults, usage
from volutus.image.models import (
    CONTAINER_FORMATS,
    DISK_FORMATS,
    IMAGE_BYTES_MAX,
    PROPERTIES_MAX,
    TAGS_MAX,
    TEXT_MAX,
    VISIBILITIES,
    Image,
    ImageFields,
    from_row,
)
from volutus.image.sight import may_change, visible
from volutus.image.sums import Summing
from volutus.image.tables import images
from volutus.reconcile import wake

KIND = "image"
# How long the bytes of a deleted image stay: a server ordered just before may still be fetching them.
DELETE_GRACE_S = 300
_INT_MAX = 2**31 - 1
# What says which licences are paid for by those who run the image: once said, it stays with every copy.
LICENCES = ("volutus_licence_core", "volutus_licence_instance")
_FORMATS = ("disk_format", "container_format")


def create(tx: Tx, caller: Caller, fields: ImageFields, image_id: str | None = None) -> Image:
    """A new image without data. Raises ImageExists when the id is taken."""
    owner = fields.owner if fields.owner is not None else caller.own_project()
    fields = dataclasses.replace(fields, owner=owner)
    _check(fields)
    _check_rights(caller, ImageFields(owner=caller.project_id), fields)
    new_id = _new_id(tx, image_id)
    values = _values(fields) | {"id": new_id, "created_at": tx.now, "updated_at": tx.now}
    quota.charge(tx, owner, {"images": 1})
    row = tx.row(insert(images).values(values).returning(images))
    assert row is not None
    audit.record(tx, caller, "create", KIND, new_id, {"name": fields.name})
    return from_row(row)


def describe(tx: Tx, caller: Caller, fields: ImageFields) -> Image:
    """A new image that has no bytes and is active at once: all that it is, its properties say."""
    made = create(tx, caller, fields)
    empty = Summing().finish()
    values = {**dataclasses.asdict(empty), "activated_at": tx.now}
    row = tx.row(update(images).where(images.c.id == made.id).values(values).returning(images))
    assert row is not None
    return from_row(row)


def get(tx: Tx, caller: Caller, image_id: str) -> Image:
    """The image, if the caller sees it."""
    row = tx.row(
        select(images).where(images.c.id == image_id, images.c.deleted_at.is_(None), visible(caller)).limit(1)
    )
    if row is None:
        raise faults.ImageNotFound(image_id)
    return from_row(row)


def own(tx: Tx, caller: Caller, image_id: str, *, doing: str = "modify") -> Image:
    """The image locked for a change, if it is the caller's to change."""
    row = tx.row(
        select(images)
        .where(images.c.id == image_id, images.c.deleted_at.is_(None), visible(caller))
        .limit(1)
        .with_for_update(key_share=True)
    )
    if row is None:
        raise faults.ImageNotFound(image_id)
    image = from_row(row)
    if not may_change(caller, image):
        raise faults.ImageNotYours(f"You are not permitted to {doing} this image.")
    return image


def change(tx: Tx, caller: Caller, image_id: str, to: Callable[[ImageFields], ImageFields]) -> Image:
    """Set fields: `to` is given the present ones, under lock, and answers what they shall be."""
    image = own(tx, caller, image_id)
    fields = to(image.fields)
    if fields == image.fields:
        return image
    _check(fields)
    _check_rights(caller, image.fields, fields)
    for name in _FORMATS:
        if getattr(fields, name) != getattr(image, name) and image.status != "queued":
            raise faults.NotAllowed(f"Attribute {name} can be only replaced for a queued image.", field=name)
    if fields.owner != image.owner:
        _move(tx, image, fields.owner)
    row = tx.row(
        update(images)
        .where(images.c.id == image_id)
        .values(_values(fields) | {"updated_at": tx.now})
        .returning(images)
    )
    assert row is not None
    changed = [
        f.name for f in dataclasses.fields(fields) if getattr(fields, f.name) != getattr(image, f.name)
    ]
    audit.record(tx, caller, "change", KIND, image_id, {"fields": changed})
    return from_row(row)


def delete(tx: Tx, caller: Caller, image_id: str) -> None:
    """Gone at once for everybody; the bytes follow after a grace time."""
    image = own(tx, caller, image_id, doing="delete")
    if image.protected:
        raise faults.ImageProtected(f"Image {image_id} is protected and cannot be deleted.")
    _delete(tx, image)
    audit.record(tx, caller, "delete", KIND, image_id, {"name": image.name})


def discard(tx: Tx, image_id: str) -> None:
    """An image that will never get its data goes, whatever its tenant said of it. One that has data stays."""
    unfilled = (images.c.id == image_id, images.c.deleted_at.is_(None), images.c.activated_at.is_(None))
    row = tx.row(select(images).where(*unfilled).limit(1).with_for_update(key_share=True))
    if row is not None:
        _delete(tx, from_row(row))
        audit.record(tx, CLOUD, "delete", KIND, image_id, {"name": row.name})


def status_of(tx: Tx, image_id: str) -> str:
    """How far the image's data has come, for the cloud itself."""
    status = tx.value(select(images.c.status).where(images.c.id == image_id).limit(1))
    return str(status) if status is not None else "deleted"


def bytes_left(tx: Tx, owner: str | None) -> int:
    """How many bytes of images the project may still store; what no store holds when it is not limited."""
    if owner is None:
        return IMAGE_BYTES_MAX
    limit = quota.limits(tx, owner)["image_bytes"]
    used = quota.usage(tx, owner)["image_bytes"]
    return IMAGE_BYTES_MAX if limit == quota.UNLIMITED else max(limit - used, 0)


def uploads_under_way(tx: Tx, owner: str) -> int:
    """How many images of a project get their data just now."""
    coming = (images.c.owner == owner, images.c.deleted_at.is_(None), images.c.upload_id.isnot(None))
    return int(tx.value(select(func.count()).where(*coming)))


def _delete(tx: Tx, image: Image) -> None:
    gone = {"deleted_at": tx.now, "updated_at": tx.now, "upload_id": None, "upload_seen_at": None}
    tx.execute(update(images).where(images.c.id == image.id).values(gone))
    if image.owner is not None:
        quota.release(tx, image.owner, _charged(image))
    usage.kept(tx, image.id, None, None)
    wake(tx, KIND, image.id, after_s=DELETE_GRACE_S)


def set_deactivated(tx: Tx, caller: Caller, image_id: str, deactivated: bool) -> None:
    """Stop the image from being downloaded or booted, or allow it again."""
    doing = "deactivate" if deactivated else "reactivate"
    image = own(tx, caller, image_id, doing=doing)
    if not image.has_data:
        raise faults.NotAllowed(f"Not allowed to {doing} image in status '{image.status}'")
    tx.execute(
        update(images).where(images.c.id == image_id).values(deactivated=deactivated, updated_at=tx.now)
    )
    audit.record(tx, caller, doing, KIND, image_id)


def add_tag(tx: Tx, caller: Caller, image_id: str, tag: str) -> None:
    """Tag the image; once is enough."""
    change(tx, caller, image_id, lambda now: dataclasses.replace(now, tags=tuple({*now.tags, tag})))


def remove_tag(tx: Tx, caller: Caller, image_id: str, tag: str) -> None:
    """Take a tag away. Raises TagNotFound when the image does not have it."""

    def without(now: ImageFields) -> ImageFields:
        if tag not in now.tags:
            raise faults.TagNotFound(f"Tag {tag} could not be found on image {image_id}.")
        return dataclasses.replace(now, tags=tuple(t for t in now.tags if t != tag))

    change(tx, caller, image_id, without)


def _new_id(tx: Tx, asked: str | None) -> str:
    if asked is None:
        return tx.ids.uuid()
    try:
        image_id = str(uuid.UUID(asked))
    except ValueError:
        raise Invalid("An image id is a UUID.", field="id") from None
    if tx.value(select(1).where(images.c.id == image_id).limit(1)):
        raise faults.ImageExists(f"Image ID {image_id} already exists!")
    return image_id


def _move(tx: Tx, image: Image, owner: str | None) -> None:
    if image.owner is not None:
        quota.release(tx, image.owner, _charged(image))
    if owner is not None:
        quota.charge(tx, owner, _charged(image))
    usage.kept(tx, image.id, owner, image.size_bytes)


def _charged(image: Image) -> dict[str, int]:
    return {"images": 1, "image_bytes": image.size_bytes or 0}


def _values(fields: ImageFields) -> dict[str, object]:
    values = {f.name: getattr(fields, f.name) for f in dataclasses.fields(fields)}
    return values | {"tags": sorted(set(fields.tags)), "properties": dict(fields.properties)}


def _check_rights(caller: Caller, before: ImageFields, after: ImageFields) -> None:
    if caller.is_admin:
        return
    if after.owner != before.owner:
        raise faults.NotAllowed(f"You are not permitted to give images to {after.owner!r}.", field="owner")
    if after.visibility == "public" != before.visibility:
        raise faults.NotAllowed("You are not permitted to make images public.", field="visibility")
    for name in LICENCES:
        if name in before.properties and after.properties.get(name) != before.properties[name]:
            raise faults.NotAllowed(f"You are not permitted to change {name}: it is paid for.", field=name)


def _check(fields: ImageFields) -> None:
    """What no image may have. Raises Invalid naming the field."""
    for name, choices in (
        ("visibility", VISIBILITIES),
        ("disk_format", (*DISK_FORMATS, None)),
        ("container_format", (*CONTAINER_FORMATS, None)),
    ):
        value = getattr(fields, name)
        if value not in choices:
            raise Invalid(
                f"{name} must be one of {', '.join(c for c in choices if c)}, not {value!r}", field=name
            )
    for name in ("min_disk_gib", "min_ram_mib"):
        if not 0 <= getattr(fields, name) <= _INT_MAX:
            raise Invalid(f"{name} must be from 0 to {_INT_MAX}.", field=name)
    if len(fields.name or "") > TEXT_MAX:
        raise Invalid(f"A name has at most {TEXT_MAX} characters.", field="name")
    if len(set(fields.tags)) > TAGS_MAX or any(not 0 < len(tag) <= TEXT_MAX for tag in fields.tags):
        raise Invalid(f"At most {TAGS_MAX} tags of 1 to {TEXT_MAX} characters are allowed.", field="tags")
    if len(fields.properties) > PROPERTIES_MAX or any(not 0 < len(k) <= TEXT_MAX for k in fields.properties):
        raise Invalid(
            f"At most {PROPERTIES_MAX} properties, of names up to {TEXT_MAX} characters, are allowed."
        )
    _check_pair(fields)


def _check_pair(fields: ImageFields) -> None:
    """The formats of Amazon come in pairs."""
    amazon = {"ami", "ari", "aki"}
    disk, container = fields.disk_format, fields.container_format
    disk, container = fields.disk_format, fields.container_format
    mixed = disk in amazon or container in amazon
    if disk and container and mixed and disk != container and container != "bare":
        raise Invalid(
            "Invalid mix of disk and container formats: those of Amazon (aki, ari, ami) go together.",
            field="container_format",
        )

"""Sharing: the owner names projects, each of which accepts or rejects for itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from volutus import audit
from volutus.db import Tx
from volutus.errors import Invalid
from volutus.identity import Caller
from volutus.image import faults, images
from volutus.image.models import TEXT_MAX, Image
from volutus.image.sight import may_change
from volutus.image.tables import members as table

STATUSES = ("pending", "accepted", "rejected")
# Sharing with more projects than this is what `community` is for.
MEMBERS_MAX = 128


@dataclass(frozen=True)
class Member:
    """One project that an image is shared with."""

    image_id: str
    project_id: str
    status: str
    created_at: datetime
    updated_at: datetime


def add(tx: Tx, caller: Caller, image_id: str, project_id: str) -> Member:
    """Offer the image to a project."""
    image = images.own(tx, caller, image_id, doing="share")
    _require_shared(image)
    if not 0 < len(project_id) <= TEXT_MAX:
        raise Invalid("A member is a project's id.", field="member")
    present = tx.rows(_of(image_id).limit(MEMBERS_MAX))
    if any(row.project_id == project_id for row in present):
        raise faults.MemberExists(f"Project {project_id} is already associated with image {image_id}.")
    if len(present) >= MEMBERS_MAX:
        raise Invalid(f"An image is shared with at most {MEMBERS_MAX} projects.", field="member")
    row = tx.row(
        insert(table)
        .values(
            image_id=image_id, project_id=project_id, status="pending", created_at=tx.now, updated_at=tx.now
        )
        .returning(table)
    )
    assert row is not None
    audit.record(tx, caller, "share", images.KIND, image_id, {"with": project_id})
    return _member(row)


def of_image(tx: Tx, caller: Caller, image_id: str) -> list[Member]:
    """All members for the owner; for a member only itself."""
    image = images.get(tx, caller, image_id)
    _require_shared(image)
    statement = _of(image_id).order_by(table.c.created_at, table.c.project_id).limit(MEMBERS_MAX)
    if not may_change(caller, image):
        statement = statement.where(table.c.project_id == caller.project_id)
    return [_member(row) for row in tx.rows(statement)]


def get(tx: Tx, caller: Caller, image_id: str, project_id: str) -> Member:
    """One member, seen by the owner and by itself."""
    image = images.get(tx, caller, image_id)
    _require_shared(image)
    row = _found(tx, image_id, project_id)
    if not (may_change(caller, image) or caller.sees(project_id)):
        raise _not_found(image_id, project_id)
    return _member(row)


def decide(tx: Tx, caller: Caller, image_id: str, project_id: str, status: str) -> Member:
    """The member's own decision; the owner may not take it."""
    if status not in STATUSES:
        raise Invalid(f"A member's status is one of {', '.join(STATUSES)}.", field="status")
    images.get(tx, caller, image_id)
    _found(tx, image_id, project_id)
    if not caller.sees(project_id):
        raise faults.ImageNotYours("Only the member may decide about its membership.")
    row = tx.row(
        update(table)
        .where(table.c.image_id == image_id, table.c.project_id == project_id)
        .values(status=status, updated_at=tx.now)
        .returning(table)
    )
    if row is None:
        raise _not_found(image_id, project_id)
    audit.record(tx, caller, "decide", images.KIND, image_id, {"member": project_id, "status": status})
    return _member(row)


def remove(tx: Tx, caller: Caller, image_id: str, project_id: str) -> None:
    """Take the image away from a project."""
    image = images.own(tx, caller, image_id, doing="unshare")
    _require_shared(image)
    if not tx.changed(delete(table).where(table.c.image_id == image_id, table.c.project_id == project_id)):
        raise _not_found(image_id, project_id)
    audit.record(tx, caller, "unshare", images.KIND, image_id, {"with": project_id})


def _require_shared(image: Image) -> None:
    if image.visibility != "shared":
        raise faults.NotAllowed("Only shared images have members.")


def _of(image_id: str) -> Any:
    return select(table).where(table.c.image_id == image_id)


def _found(tx: Tx, image_id: str, project_id: str) -> Row[Any]:
    rows: Sequence[Row[Any]] = tx.rows(_of(image_id).where(table.c.project_id == project_id).limit(1))
    if not rows:
        raise _not_found(image_id, project_id)
    return rows[0]


def _not_found(image_id: str, project_id: str) -> faults.MemberNotFound:
    return faults.MemberNotFound(f"{project_id} not found in the member list of the image {image_id}.")


def _member(row: Row[Any]) -> Member:
    return Member(row.image_id, row.project_id, row.status, row.created_at, row.updated_at)

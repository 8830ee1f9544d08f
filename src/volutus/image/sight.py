"""Who sees which images, and who may change them. The one place that knows.

Public and community images are everybody's to use; lists leave other projects' community images out unless
asked. A shared image is seen by its members, in lists once they accepted it. An administrator sees all.
"""

from sqlalchemy import ColumnElement, and_, or_, select, true

from volutus.identity import Caller
from volutus.image.models import Image
from volutus.image.tables import images, members


def visible(caller: Caller) -> ColumnElement[bool]:
    """Images that exist as far as the caller is concerned."""
    if caller.is_admin:
        return true()
    return or_(
        images.c.visibility.in_(("public", "community")),
        _own(caller),
        and_(images.c.visibility == "shared", _member(caller, ("pending", "accepted", "rejected"))),
    )


def listed(caller: Caller, visibility: str | None, member_status: str) -> ColumnElement[bool]:
    """Images that belong into the caller's list. `visibility` None is the usual choice, `all` everything
    visible; `member_status` says which shared images count (`accepted`, `pending`, `rejected`, `all`)."""
    statuses = ("pending", "accepted", "rejected") if member_status == "all" else (member_status,)
    seen = or_(
        images.c.visibility.in_(("public", "community")),
        _own(caller),
        and_(images.c.visibility == "shared", _member(caller, statuses)),
    )
    if caller.is_admin:
        seen = true()
    if visibility == "all":
        return seen
    if visibility is not None:
        return and_(seen, images.c.visibility == visibility)
    return and_(seen, or_(images.c.visibility != "community", _own(caller)))


def may_change(caller: Caller, image: Image) -> bool:
    """Whether the image is the caller's own, as far as changing it goes."""
    return caller.sees(image.owner)


def _own(caller: Caller) -> ColumnElement[bool]:
    # A token without project owns nothing: comparing with NULL is never true.
    return images.c.owner == (caller.project_id or "")


def _member(caller: Caller, statuses: tuple[str, ...]) -> ColumnElement[bool]:
    return (
        select(1)
        .where(
            members.c.image_id == images.c.id,
            members.c.project_id == (caller.project_id or ""),
            members.c.status.in_(statuses),
        )
        .exists()
    )

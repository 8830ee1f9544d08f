"""Who may see and change what within a domain: the rules that depend on whose object it is.

Keystone's defaults: role admin may all; a reader of the system sees all; a reader of a domain sees what is
in it, its manager changes users, groups, projects and grants in it; everyone sees himself. Others are told
Forbidden whether or not the object exists, so that nobody learns which ids do.
"""

from volutus.errors import Forbidden, NotFound
from volutus.identity.caller import Caller

# The roles that a domain's manager may hand on.
MANAGED_ROLES = frozenset({"manager", "member", "reader"})
REFUSED = "You are not authorized to perform the requested action."


def sees_all(caller: Caller) -> bool:
    """May look at every domain."""
    return caller.is_admin or (caller.system and "reader" in caller.roles)


def may_read(caller: Caller, domain_id: str | None) -> bool:
    """May look at what belongs to the domain."""
    return sees_all(caller) or (
        domain_id is not None and caller.domain_id == domain_id and "reader" in caller.roles
    )


def may_manage(caller: Caller, domain_id: str | None) -> bool:
    """May change what belongs to the domain."""
    return caller.is_admin or (
        domain_id is not None and caller.domain_id == domain_id and "manager" in caller.roles
    )


def require(allowed: bool) -> None:
    """Raise Forbidden unless it is allowed."""
    if not allowed:
        raise Forbidden(REFUSED)


def require_admin(caller: Caller) -> None:
    """Raise Forbidden unless the caller has the role admin."""
    require(caller.is_admin)


def require_manager(caller: Caller, domain_id: str | None) -> None:
    """Raise Forbidden unless the caller may change what belongs to the domain."""
    require(may_manage(caller, domain_id))


def require_self_or_admin(caller: Caller, user_id: str) -> None:
    """Raise Forbidden unless it is the caller's own, or he is an admin."""
    require(caller.is_admin or caller.user_id == user_id)


def missing(caller: Caller, problem: NotFound) -> Forbidden | NotFound:
    """What to raise where nothing was found: only who sees all is told so."""
    return problem if sees_all(caller) else Forbidden(REFUSED)


def visible_domain(caller: Caller, asked: str | None) -> str | None:
    """The domain a list is narrowed to. Raises Forbidden for a caller who may list nothing."""
    if sees_all(caller):
        return asked
    require(caller.domain_id is not None and "reader" in caller.roles)
    require(asked is None or asked == caller.domain_id)
    return caller.domain_id


def own_domain(caller: Caller) -> str:
    """The domain new objects belong to where none is named."""
    return caller.domain_id or (caller.project_domain_id if caller.project_id else caller.user_domain_id)

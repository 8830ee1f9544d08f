"""Users: who can sign in, and what they may change about themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import ColumnElement, Row, delete, insert, select, update

from volutus import audit
from volutus.db import Page, Tx
from volutus.errors import Forbidden, Invalid, NotFound, Unauthenticated
from volutus.identity import access, domains, password_history
from volutus.identity.caller import Caller
from volutus.identity.passwords import Passwords
from volutus.identity.records import Filter, Id, Name, given, listed, merged, narrowed, write
from volutus.identity.sign_in import REFUSED, NameOrId, prove_password
from volutus.identity.tables import group_member, user

_FLAGS = frozenset(
    {
        "ignore_change_password_upon_first_use",
        "ignore_password_expiry",
        "ignore_lockout_failure_attempts",
        "ignore_user_inactivity",
        "lock_password",
        "multi_factor_auth_enabled",
    }
)
_FACTOR_RULES = "multi_factor_auth_rules"
_SORTABLE: dict[str, ColumnElement[Any]] = {"id": user.c.id, "name": user.c.name}


class UserNotFound(NotFound):
    code = "identity.user.not_found"


@dataclass(frozen=True)
class UserFields:
    """What a client may say of a user."""

    name: Name | UnsetType = UNSET
    domain_id: Id | UnsetType | None = UNSET
    default_project_id: Id | UnsetType | None = UNSET
    password: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    options: dict[str, Any] | UnsetType = UNSET


@dataclass(frozen=True)
class Expiry:
    """A condition on when the password expires: `how` is lt, lte, gt, gte, eq or neq."""

    how: str
    at: datetime


def create(
    tx: Tx, caller: Caller, passwords: Passwords, fields: UserFields, extra: Mapping[str, Any]
) -> Row[Any]:
    """A new user, who cannot sign in until there is a password."""
    if isinstance(fields.name, UnsetType):
        raise Invalid("Invalid input for user.name: it is required.", field="user.name")
    domain_id = fields.domain_id or access.own_domain(caller)
    access.require_manager(caller, domain_id)
    domains.must_exist(tx, domain_id)
    password = fields.password or None
    if password:
        passwords.rules.require_strength(password)
    options = _options({}, fields)
    row = {
        "id": tx.ids.hex(),
        "domain_id": domain_id,
        "name": fields.name,
        "enabled": given(fields).get("enabled", True),
        "default_project_id": fields.default_project_id or None,
        "password_hash": passwords.hash(password) if password else None,
        "password_changed_at": tx.now if password else None,
        "password_expires_at": passwords.rules.expires_at(tx.now, options, self_service=False)
        if password
        else None,
        "options": options,
        "extra": dict(extra),
        "epoch": 0,
        "created_at": tx.now,
    }
    write(tx, insert(user), row, _taken(fields.name, domain_id))
    if password:
        password_history.keep(tx, passwords.rules, row["id"], row["password_hash"], self_service=False)
    audit.record(tx, caller, "create", "identity.user", row["id"])
    return must_exist(tx, row["id"])


def get(tx: Tx, caller: Caller, user_id: str) -> Row[Any]:
    """A user: oneself, or of a domain that the caller sees."""
    row = tx.row(select(user).where(user.c.id == user_id).limit(1))
    if row is None:
        raise access.missing(caller, UserNotFound(f"Could not find user: {user_id}."))
    access.require(caller.user_id == user_id or access.may_read(caller, row.domain_id))
    return row


def list_(
    tx: Tx, caller: Caller, page: Page, filters: Sequence[Filter], expiry: Expiry | None = None
) -> list[Row[Any]]:
    """Users of the domains that the caller sees."""
    asked = next((f.value for f in filters if f.column == "domain_id"), None)
    visible = access.visible_domain(caller, asked)
    statement = narrowed(select(user), user, filters)
    if visible is not None:
        statement = statement.where(user.c.domain_id == visible)
    if expiry is not None:
        statement = statement.where(_expires(expiry))
    return listed(tx, statement, page, _SORTABLE)


def list_of_group(
    tx: Tx, group_id: str, page: Page, filters: Sequence[Filter], expiry: Expiry | None = None
) -> list[Row[Any]]:
    """A group's members. The caller of this verb has looked at who may see the group."""
    members = select(group_member.c.user_id).where(group_member.c.group_id == group_id)
    statement = narrowed(select(user).where(user.c.id.in_(members)), user, filters)
    if expiry is not None:
        statement = statement.where(_expires(expiry))
    return listed(tx, statement, page, _SORTABLE)


def change(
    tx: Tx,
    caller: Caller,
    passwords: Passwords,
    user_id: str,
    fields: UserFields,
    extra: Mapping[str, Any],
) -> Row[Any]:
    """Change a user. A new password and being disabled end all the user's tokens."""
    before = get(tx, caller, user_id)
    access.require_manager(caller, before.domain_id)
    if not isinstance(fields.domain_id, UnsetType) and fields.domain_id != before.domain_id:
        raise Invalid("A user stays in his domain.", field="user.domain_id")
    changes = {k: v for k, v in given(fields).items() if k in ("name", "enabled", "default_project_id")}
    changes["options"] = _options(before.options, fields)
    changes["extra"] = merged(before.extra, extra)
    if not isinstance(fields.password, UnsetType):
        changes |= _reset(tx, passwords, before.id, fields.password or "", changes["options"])
    if "password_hash" in changes or (before.enabled and fields.enabled is False):
        changes["epoch"] = user.c.epoch + 1
    statement = update(user).where(user.c.id == user_id).values(**changes)
    write(tx, statement, None, _taken(str(fields.name), before.domain_id))
    audit.record(tx, caller, "update", "identity.user", user_id)
    return must_exist(tx, user_id)


def change_own_password(tx: Tx, passwords: Passwords, user_id: str, old: str, new: str) -> None:
    """Replace one's password, proved by the one before; ends all the user's tokens, this one too."""
    row = prove_password(tx, passwords, NameOrId(id=user_id), old)
    if row.options.get("lock_password"):
        raise Forbidden("This user's password can be changed by an administrator alone.")
    password_history.require_own_change(tx, passwords, user_id, row.password_hash, new)
    hashed = passwords.hash(new)
    statement = (
        update(user)
        .where(user.c.id == user_id, user.c.epoch == row.epoch)
        .values(
            password_hash=hashed,
            password_changed_at=tx.now,
            password_expires_at=passwords.rules.expires_at(tx.now, row.options, self_service=True),
            epoch=user.c.epoch + 1,
        )
    )
    if tx.changed(statement) != 1:
        # Somebody else changed it meanwhile: what was proved is no longer the password.
        raise Unauthenticated(REFUSED)
    password_history.keep(tx, passwords.rules, user_id, hashed, self_service=True)
    actor = Caller(user_id=user_id)
    audit.record(tx, actor, "change_password", "identity.user", user_id)


def remove(tx: Tx, caller: Caller, user_id: str) -> None:
    """Delete a user with all that is his here: assignments, memberships, credentials, trusts."""
    row = get(tx, caller, user_id)
    access.require_manager(caller, row.domain_id)
    tx.execute(delete(user).where(user.c.id == user_id))
    audit.record(tx, caller, "delete", "identity.user", user_id)


def must_exist(tx: Tx, user_id: str) -> Row[Any]:
    """The user something refers to. Raises UserNotFound."""
    row = tx.row(select(user).where(user.c.id == user_id).limit(1))
    if row is None:
        raise UserNotFound(f"Could not find user: {user_id}.")
    return row


def _reset(
    tx: Tx, passwords: Passwords, user_id: str, password: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """What changes where an administrator sets a password; an empty one takes it away."""
    hashed = None
    expires_at = None
    if password:
        passwords.rules.require_strength(password)
        hashed = passwords.hash(password)
        expires_at = passwords.rules.expires_at(tx.now, options, self_service=False)
        password_history.keep(tx, passwords.rules, user_id, hashed, self_service=False)
    return {"password_hash": hashed, "password_changed_at": tx.now, "password_expires_at": expires_at}


def _options(before: Mapping[str, Any], fields: UserFields) -> dict[str, Any]:
    changes = given(fields).get("options", {})
    for name, value in changes.items():
        known = name in _FLAGS and isinstance(value, bool | None)
        if not known and not (name == _FACTOR_RULES and _are_factor_rules(value)):
            raise Invalid(f"Invalid input for user.options.{name}.", field=f"user.options.{name}")
    return merged(before, changes)


def _are_factor_rules(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, list) and all(
        isinstance(rule, list) and rule and all(isinstance(method, str) for method in rule) for rule in value
    )


def _expires(expiry: Expiry) -> ColumnElement[bool]:
    column = user.c.password_expires_at
    comparisons: dict[str, ColumnElement[bool]] = {
        "lt": column < expiry.at,
        "lte": column <= expiry.at,
        "gt": column > expiry.at,
        "gte": column >= expiry.at,
        "eq": column == expiry.at,
        "neq": column != expiry.at,
    }
    if expiry.how not in comparisons:
        raise Invalid(f"There is no comparison {expiry.how!r}.", field="password_expires_at")
    return comparisons[expiry.how]


def _taken(name: str, domain_id: str) -> str:
    return (
        "Conflict occurred attempting to store user - "
        f"Duplicate entry found with name {name} at domain ID {domain_id}."
    )

"""Policy documents that clients deposit here. They are kept and shown, never read by this cloud."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import Row, delete, insert, select, update

from volutus import audit
from volutus.db import Page, Tx
from volutus.errors import Invalid, NotFound
from volutus.identity.caller import Caller
from volutus.identity.records import Id, given, listed, merged
from volutus.identity.tables import policy


class PolicyNotFound(NotFound):
    code = "identity.policy.not_found"


@dataclass(frozen=True)
class PolicyFields:
    """What a client may say of a policy."""

    type: Id | UnsetType = UNSET
    blob: str | UnsetType = UNSET


def create(tx: Tx, caller: Caller, fields: PolicyFields, extra: Mapping[str, Any]) -> Row[Any]:
    """A new policy document."""
    for name in ("type", "blob"):
        if getattr(fields, name) is UNSET:
            raise Invalid(f"Invalid input for policy.{name}: it is required.", field=f"policy.{name}")
    row = {"id": tx.ids.hex(), **given(fields), "extra": dict(extra)}
    tx.execute(insert(policy), row)
    audit.record(tx, caller, "create", "identity.policy", row["id"])
    return get(tx, row["id"])


def get(tx: Tx, policy_id: str) -> Row[Any]:
    """Raises PolicyNotFound."""
    row = tx.row(select(policy).where(policy.c.id == policy_id).limit(1))
    if row is None:
        raise PolicyNotFound(f"Could not find policy: {policy_id}.")
    return row


def list_(tx: Tx, page: Page, kind: str | None) -> Sequence[Row[Any]]:
    """Policies, of one type if asked."""
    statement = select(policy)
    if kind is not None:
        statement = statement.where(policy.c.type == kind)
    return listed(tx, statement, page, {"id": policy.c.id})


def change(
    tx: Tx, caller: Caller, policy_id: str, fields: PolicyFields, extra: Mapping[str, Any]
) -> Row[Any]:
    """Change a policy document."""
    before = get(tx, policy_id)
    changes = {**given(fields), "extra": merged(before.extra, extra)}
    tx.execute(update(policy).where(policy.c.id == policy_id).values(**changes))
    audit.record(tx, caller, "update", "identity.policy", policy_id)
    return get(tx, policy_id)


def remove(tx: Tx, caller: Caller, policy_id: str) -> None:
    """Delete a policy document."""
    get(tx, policy_id)
    tx.execute(delete(policy).where(policy.c.id == policy_id))
    audit.record(tx, caller, "delete", "identity.policy", policy_id)

"""Credentials of any type that users keep here: EC2 keys, TOTP secrets … The blob is sealed at rest."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import Row, delete, insert, select, update

from volutus import audit
from volutus.db import Page, Tx
from volutus.errors import Forbidden, Invalid, NotFound
from volutus.identity import access, projects, users
from volutus.identity.caller import Caller
from volutus.identity.keys import KeyRepository
from volutus.identity.passwords import draw_secret
from volutus.identity.records import Id, given, listed, write
from volutus.identity.tables import credential

EC2 = "ec2"


class CredentialNotFound(NotFound):
    code = "identity.credential.not_found"


@dataclass(frozen=True)
class CredentialFields:
    """What a client may say of a credential."""

    user_id: Id | UnsetType = UNSET
    project_id: Id | UnsetType | None = UNSET
    type: Id | UnsetType = UNSET
    blob: str | UnsetType = UNSET


@dataclass(frozen=True)
class Credential:
    """A credential with its blob opened."""

    id: str
    user_id: str
    project_id: str | None
    type: str
    blob: str


def create(tx: Tx, caller: Caller, vault: KeyRepository, fields: CredentialFields) -> Credential:
    """Keep a credential of one's own; an admin may for others."""
    for name in ("user_id", "type", "blob"):
        if getattr(fields, name) is UNSET:
            raise Invalid(f"Invalid input for credential.{name}: it is required.", field=f"credential.{name}")
    user_id, kind, blob = str(fields.user_id), str(fields.type), str(fields.blob)
    access.require_self_or_admin(caller, user_id)
    _refuse_restricted(caller)
    users.must_exist(tx, user_id)
    project_id = fields.project_id or None
    if kind == EC2 and project_id is None:
        raise Invalid("Invalid input for credential.project_id: it is required for ec2.", field="project_id")
    if project_id is not None:
        projects.must_exist(tx, project_id)
    credential_id = _ec2_id(blob) if kind == EC2 else tx.ids.hex()
    row: dict[str, Any] = {
        "id": credential_id,
        "user_id": user_id,
        "project_id": project_id,
        "type": kind,
        "sealed_blob": vault.seal(blob.encode(), int(tx.now.timestamp())),
        "extra": {},
    }
    write(tx, insert(credential), row, f"Duplicate credential {credential_id}.")
    audit.record(tx, caller, "create", "identity.credential", credential_id)
    return Credential(credential_id, user_id, project_id, kind, blob)


def create_ec2(tx: Tx, caller: Caller, vault: KeyRepository, user_id: str, project_id: str) -> Credential:
    """A drawn pair of access key and secret for a project."""
    pair = {"access": tx.ids.hex(), "secret": draw_secret()[:40], "trust_id": caller.trust_id}
    blob = msgspec.json.encode(pair).decode()
    return create(tx, caller, vault, CredentialFields(user_id, project_id, EC2, blob))


def get(tx: Tx, caller: Caller, vault: KeyRepository, credential_id: str) -> Credential:
    """One's own, or anyone's for who sees all. Raises CredentialNotFound."""
    row = tx.row(select(credential).where(credential.c.id == credential_id).limit(1))
    if row is None or not (row.user_id == caller.user_id or access.sees_all(caller)):
        raise CredentialNotFound(f"Could not find credential: {credential_id}.")
    return _opened(vault, row)


def list_(
    tx: Tx, caller: Caller, vault: KeyRepository, page: Page, filters: Mapping[str, str]
) -> Sequence[Credential]:
    """By `user_id` and `type`; without seeing all, one's own."""
    statement = select(credential).where(*(credential.c[k] == v for k, v in filters.items()))
    if not access.sees_all(caller):
        statement = statement.where(credential.c.user_id == caller.user_id)
    return [_opened(vault, row) for row in listed(tx, statement, page, {"id": credential.c.id})]


def change(
    tx: Tx, caller: Caller, vault: KeyRepository, credential_id: str, fields: CredentialFields
) -> Credential:
    """Change a credential. Its user stays unless an admin says otherwise."""
    before = get(tx, caller, vault, credential_id)
    access.require_self_or_admin(caller, before.user_id)
    _refuse_restricted(caller)
    changes = given(fields)
    if "user_id" in changes:
        access.require_self_or_admin(caller, changes["user_id"])
        users.must_exist(tx, changes["user_id"])
    if changes.get("project_id") is not None:
        projects.must_exist(tx, changes["project_id"])
    if "blob" in changes:
        changes["sealed_blob"] = vault.seal(str(changes.pop("blob")).encode(), int(tx.now.timestamp()))
    if changes:
        tx.execute(update(credential).where(credential.c.id == credential_id).values(**changes))
    audit.record(tx, caller, "update", "identity.credential", credential_id)
    return get(tx, caller, vault, credential_id)


def remove(tx: Tx, caller: Caller, vault: KeyRepository, credential_id: str) -> None:
    """Delete a credential."""
    before = get(tx, caller, vault, credential_id)
    access.require_self_or_admin(caller, before.user_id)
    _refuse_restricted(caller)
    tx.execute(delete(credential).where(credential.c.id == credential_id))
    audit.record(tx, caller, "delete", "identity.credential", credential_id)


def ec2_id(access_key: str) -> str:
    """The id of the credential with this access key, as EC2's signatures name it."""
    return hashlib.sha256(access_key.encode()).hexdigest()


def _ec2_id(blob: str) -> str:
    try:
        pair = msgspec.json.decode(blob, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Invalid("The blob of an ec2 credential is a JSON object.", field="credential.blob") from error
    if not isinstance(pair.get("access"), str):
        raise Invalid("The blob of an ec2 credential names its access key.", field="credential.blob")
    return ec2_id(pair["access"])


def _opened(vault: KeyRepository, row: Row[Any]) -> Credential:
    blob = vault.open(row.sealed_blob)
    return Credential(row.id, row.user_id, row.project_id, row.type, blob.decode() if blob else "")


def _refuse_restricted(caller: Caller) -> None:
    """What was delegated may not make itself further ways in."""
    if caller.is_restricted or caller.trust_id:
        raise Forbidden("A restricted application credential or a trust cannot manage credentials.")

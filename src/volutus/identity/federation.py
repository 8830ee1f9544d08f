"""Identity providers and their protocols: whom this cloud believes who somebody is.

How a provider is reached and which client this cloud is there stands in a file of the operator's (`oidc`),
not here: what an administrator of the API can write must not make the cloud call addresses of his choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Row, delete, insert, select, text, update

from volutus import audit
from volutus.db import Page, Tx
from volutus.errors import Conflict, Invalid, NotFound
from volutus.identity import domains, mappings
from volutus.identity.caller import Caller
from volutus.identity.records import Id, given, listed, write
from volutus.identity.tables import federated_user, protocol, provider, service_provider, user

_END_TOKENS = text("""
UPDATE identity_user SET epoch = epoch + 1
WHERE id IN (SELECT user_id FROM identity_federated_user WHERE provider_id = :id)
""")


class ProviderNotFound(NotFound):
    code = "identity.provider.not_found"


class ProtocolNotFound(NotFound):
    code = "identity.protocol.not_found"


class ServiceProviderNotFound(NotFound):
    code = "identity.service_provider.not_found"


@dataclass(frozen=True)
class ProviderFields:
    """What a client may say of an identity provider. `remote_ids` are what the provider calls itself: with
    OpenID Connect its issuer. Tokens of its users end after `authorization_ttl` minutes at the latest."""

    domain_id: Id | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    remote_ids: Annotated[list[Id], Meta(max_length=100)] | UnsetType | None = UNSET
    authorization_ttl: Annotated[int, Meta(ge=0, le=525_600)] | UnsetType | None = UNSET


@dataclass(frozen=True)
class ProtocolFields:
    """Which mapping a protocol of a provider uses."""

    mapping_id: Id | UnsetType = UNSET
    remote_id_attribute: Id | UnsetType | None = UNSET


@dataclass(frozen=True)
class ServiceProviderFields:
    """Another cloud that trusts this one. Kept and shown in tokens: clients look there."""

    auth_url: Id | UnsetType = UNSET
    sp_url: Id | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    relay_state_prefix: Id | UnsetType | None = UNSET


def create_provider(tx: Tx, caller: Caller, provider_id: str, fields: ProviderFields) -> Row[Any]:
    """A new identity provider; its users get a domain of their own unless one is named."""
    values = given(fields)
    domain_id = values.get("domain_id")
    if domain_id is None:
        domain_id = domains.create(tx, caller, domains.DomainFields(f"federated-{tx.ids.hex()}"), {}).id
    domains.must_exist(tx, domain_id)
    row = {"enabled": False, "description": None, "authorization_ttl": None, **values}
    row |= {"id": provider_id, "domain_id": domain_id, "remote_ids": values.get("remote_ids") or []}
    _refuse_taken(tx, provider_id, row["remote_ids"])
    write(tx, insert(provider), row, f"Duplicate identity provider {provider_id}.")
    audit.record(tx, caller, "create", "identity.provider", provider_id)
    return get_provider(tx, provider_id)


def get_provider(tx: Tx, provider_id: str) -> Row[Any]:
    """Raises ProviderNotFound."""
    row = tx.row(select(provider).where(provider.c.id == provider_id).limit(1))
    if row is None:
        raise ProviderNotFound(f"Could not find Identity Provider: {provider_id}.")
    return row


def list_providers(
    tx: Tx, page: Page, provider_id: str | None, *, enabled: bool | None
) -> Sequence[Row[Any]]:
    """All identity providers."""
    statement = select(provider)
    if provider_id is not None:
        statement = statement.where(provider.c.id == provider_id)
    if enabled is not None:
        statement = statement.where(provider.c.enabled == enabled)
    return listed(tx, statement, page, {"id": provider.c.id})


def change_provider(tx: Tx, caller: Caller, provider_id: str, fields: ProviderFields) -> Row[Any]:
    """Change a provider. Disabling it ends the tokens of its users."""
    before = get_provider(tx, provider_id)
    changes = given(fields)
    if changes.pop("domain_id", before.domain_id) != before.domain_id:
        raise Invalid("A provider stays in its domain.", field="identity_provider.domain_id")
    if "remote_ids" in changes:
        changes["remote_ids"] = changes["remote_ids"] or []
        _refuse_taken(tx, provider_id, changes["remote_ids"])
    if before.enabled and changes.get("enabled") is False:
        tx.execute(_END_TOKENS, {"id": provider_id})
    if changes:
        tx.execute(update(provider).where(provider.c.id == provider_id).values(**changes))
    audit.record(tx, caller, "update", "identity.provider", provider_id)
    return get_provider(tx, provider_id)


def remove_provider(tx: Tx, caller: Caller, provider_id: str) -> None:
    """Delete a provider and its users."""
    get_provider(tx, provider_id)
    theirs = select(federated_user.c.user_id).where(federated_user.c.provider_id == provider_id)
    tx.execute(delete(user).where(user.c.id.in_(theirs)))
    tx.execute(delete(provider).where(provider.c.id == provider_id))
    audit.record(tx, caller, "delete", "identity.provider", provider_id)


def create_protocol(
    tx: Tx, caller: Caller, provider_id: str, protocol_id: str, fields: ProtocolFields
) -> Row[Any]:
    """Let users of a provider sign in by a protocol."""
    get_provider(tx, provider_id)
    if isinstance(fields.mapping_id, UnsetType):
        raise Invalid("Invalid input for protocol.mapping_id: it is required.", field="protocol.mapping_id")
    _check_mapping(tx, fields)
    row = {
        "provider_id": provider_id,
        "id": protocol_id,
        "mapping_id": fields.mapping_id,
        "remote_id_attribute": fields.remote_id_attribute or None,
    }
    write(tx, insert(protocol), row, f"Duplicate protocol {protocol_id}.")
    audit.record(tx, caller, "create", "identity.protocol", f"{provider_id}/{protocol_id}")
    return get_protocol(tx, provider_id, protocol_id)


def get_protocol(tx: Tx, provider_id: str, protocol_id: str) -> Row[Any]:
    """Raises ProtocolNotFound."""
    asked = (protocol.c.provider_id == provider_id, protocol.c.id == protocol_id)
    row = tx.row(select(protocol).where(*asked).limit(1))
    if row is None:
        raise ProtocolNotFound(f"Could not find federated protocol {protocol_id} of {provider_id}.")
    return row


def list_protocols(tx: Tx, provider_id: str, page: Page) -> Sequence[Row[Any]]:
    """A provider's protocols."""
    get_provider(tx, provider_id)
    statement = select(protocol).where(protocol.c.provider_id == provider_id)
    return listed(tx, statement, page, {"id": protocol.c.id})


def change_protocol(
    tx: Tx, caller: Caller, provider_id: str, protocol_id: str, fields: ProtocolFields
) -> Row[Any]:
    """Change a protocol."""
    get_protocol(tx, provider_id, protocol_id)
    changes = given(fields)
    _check_mapping(tx, fields)
    if changes:
        asked = (protocol.c.provider_id == provider_id, protocol.c.id == protocol_id)
        tx.execute(update(protocol).where(*asked).values(**changes))
    audit.record(tx, caller, "update", "identity.protocol", f"{provider_id}/{protocol_id}")
    return get_protocol(tx, provider_id, protocol_id)


def remove_protocol(tx: Tx, caller: Caller, provider_id: str, protocol_id: str) -> None:
    """Delete a protocol: nobody signs in by it any more."""
    get_protocol(tx, provider_id, protocol_id)
    asked = (protocol.c.provider_id == provider_id, protocol.c.id == protocol_id)
    tx.execute(delete(protocol).where(*asked))
    audit.record(tx, caller, "delete", "identity.protocol", f"{provider_id}/{protocol_id}")


def create_service_provider(
    tx: Tx, caller: Caller, provider_id: str, fields: ServiceProviderFields
) -> Row[Any]:
    """Note another cloud."""
    for name in ("auth_url", "sp_url"):
        if getattr(fields, name) is UNSET:
            where = f"service_provider.{name}"
            raise Invalid(f"Invalid input for {where}: it is required.", field=where)
    row = {"enabled": False, "description": None, **given(fields), "id": provider_id}
    row["relay_state_prefix"] = row.get("relay_state_prefix") or "ss:mem:"
    write(tx, insert(service_provider), row, f"Duplicate service provider {provider_id}.")
    audit.record(tx, caller, "create", "identity.service_provider", provider_id)
    return get_service_provider(tx, provider_id)


def get_service_provider(tx: Tx, provider_id: str) -> Row[Any]:
    """Raises ServiceProviderNotFound."""
    row = tx.row(select(service_provider).where(service_provider.c.id == provider_id).limit(1))
    if row is None:
        raise ServiceProviderNotFound(f"Could not find Service Provider: {provider_id}.")
    return row


def list_service_providers(tx: Tx, page: Page) -> Sequence[Row[Any]]:
    """All service providers."""
    return listed(tx, select(service_provider), page, {"id": service_provider.c.id})


def change_service_provider(
    tx: Tx, caller: Caller, provider_id: str, fields: ServiceProviderFields
) -> Row[Any]:
    """Change a service provider."""
    get_service_provider(tx, provider_id)
    changes = given(fields)
    if "relay_state_prefix" in changes:
        changes["relay_state_prefix"] = changes["relay_state_prefix"] or "ss:mem:"
    if changes:
        table = service_provider
        tx.execute(update(table).where(table.c.id == provider_id).values(**changes))
    audit.record(tx, caller, "update", "identity.service_provider", provider_id)
    return get_service_provider(tx, provider_id)


def remove_service_provider(tx: Tx, caller: Caller, provider_id: str) -> None:
    """Forget another cloud."""
    get_service_provider(tx, provider_id)
    tx.execute(delete(service_provider).where(service_provider.c.id == provider_id))
    audit.record(tx, caller, "delete", "identity.service_provider", provider_id)


def _check_mapping(tx: Tx, fields: ProtocolFields) -> None:
    if isinstance(fields.mapping_id, str):
        try:
            mappings.get(tx, fields.mapping_id)
        except mappings.MappingNotFound as error:
            raise Invalid(error.message, field="protocol.mapping_id") from error


def _refuse_taken(tx: Tx, provider_id: str, remote_ids: Sequence[str]) -> None:
    taken = select(provider.c.id).where(provider.c.remote_ids.overlap(list(remote_ids)))
    if remote_ids and tx.row(taken.where(provider.c.id != provider_id).limit(1)) is not None:
        raise Conflict("Another identity provider has one of the remote ids.")

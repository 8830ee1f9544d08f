"""Mappings: rules that turn what a provider says of somebody into a user and his groups here.

A rule has conditions on claims (`remote`) and what follows (`local`), where `{0}`, `{1}` … stand for the
values of the conditions that only name a claim, in their order. All rules whose conditions hold count. A
claim is named as it is (`sub`), or as web servers in front of Keystone have it: `OIDC-sub`, `HTTP_OIDC_SUB`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from sqlalchemy import Row, delete, insert, select, update

from volutus import audit
from volutus.db import Page, Tx
from volutus.errors import Invalid, NotFound, Unauthenticated
from volutus.identity.caller import Caller
from volutus.identity.records import Id, listed, write
from volutus.identity.tables import mapping

# What a mapping is when nobody says.
_VERSION = "1.0"
RULES_MAX = 200
_PLACE = re.compile(r"\{(\d{1,2})\}")
_Texts = Annotated[list[str], Meta(max_length=500)]


class MappingNotFound(NotFound):
    code = "identity.mapping.not_found"


class DomainName(msgspec.Struct, forbid_unknown_fields=True):
    id: str | None = None
    name: str | None = None


class Remote(msgspec.Struct, forbid_unknown_fields=True):
    """A condition on a claim; without one of the lists it is that the claim is there."""

    type: Id
    any_one_of: _Texts | None = None
    not_any_of: _Texts | None = None
    whitelist: _Texts | None = None
    blacklist: _Texts | None = None
    regex: bool = False


class LocalUser(msgspec.Struct, forbid_unknown_fields=True):
    """`type` is ephemeral, a user made here at the first sign-in, or local, one who exists."""

    id: str | None = None
    name: str | None = None
    email: str | None = None
    type: Annotated[str, Meta(pattern="^(ephemeral|local)$")] = "ephemeral"
    domain: DomainName | None = None


class LocalGroup(msgspec.Struct, forbid_unknown_fields=True):
    id: str | None = None
    name: str | None = None
    domain: DomainName | None = None


class Local(msgspec.Struct, forbid_unknown_fields=True):
    """`groups` is a list in a text or a claim of several values; its groups are in `domain`."""

    user: LocalUser | None = None
    group: LocalGroup | None = None
    groups: str | None = None
    group_ids: str | None = None
    domain: DomainName | None = None


class Rule(msgspec.Struct, forbid_unknown_fields=True):
    local: Annotated[list[Local], Meta(min_length=1, max_length=50)]
    remote: Annotated[list[Remote], Meta(min_length=1, max_length=50)]


Rules = Annotated[list[Rule], Meta(min_length=1, max_length=RULES_MAX)]


class MappingOrder(msgspec.Struct, forbid_unknown_fields=True):
    """A mapping as a client sends it. The stock client names no version by null."""

    rules: Rules
    schema_version: Annotated[str, Meta(pattern=r"^[12]\.0$")] | None = None
    id: Id | None = None


@dataclass(frozen=True)
class Mapped:
    """Who somebody is here. Groups by id, and by name with their domain's id or name."""

    user: LocalUser
    group_ids: frozenset[str]
    groups: frozenset[tuple[str, str | None, str | None]]


def create(tx: Tx, caller: Caller, mapping_id: str, order: MappingOrder) -> Row[Any]:
    """A new mapping."""
    _check(order.rules)
    row = {"id": mapping_id, "rules": _plain(order.rules), "schema_version": order.schema_version or _VERSION}
    write(tx, insert(mapping), row, f"Duplicate mapping {mapping_id}.")
    audit.record(tx, caller, "create", "identity.mapping", mapping_id)
    return get(tx, mapping_id)


def get(tx: Tx, mapping_id: str) -> Row[Any]:
    """Raises MappingNotFound."""
    row = tx.row(select(mapping).where(mapping.c.id == mapping_id).limit(1))
    if row is None:
        raise MappingNotFound(f"Could not find mapping: {mapping_id}.")
    return row


def list_(tx: Tx, page: Page) -> Sequence[Row[Any]]:
    """All mappings."""
    return listed(tx, select(mapping), page, {"id": mapping.c.id})


def change(tx: Tx, caller: Caller, mapping_id: str, order: MappingOrder) -> Row[Any]:
    """Replace a mapping's rules."""
    before = get(tx, mapping_id)
    _check(order.rules)
    version = order.schema_version or before.schema_version
    changes = {"rules": _plain(order.rules), "schema_version": version}
    tx.execute(update(mapping).where(mapping.c.id == mapping_id).values(**changes))
    audit.record(tx, caller, "update", "identity.mapping", mapping_id)
    return get(tx, mapping_id)


def remove(tx: Tx, caller: Caller, mapping_id: str) -> None:
    """Delete a mapping: by protocols that use it nobody signs in any more."""
    get(tx, mapping_id)
    tx.execute(delete(mapping).where(mapping.c.id == mapping_id))
    audit.record(tx, caller, "delete", "identity.mapping", mapping_id)


def evaluate(rules: object, claims: Mapping[str, Any]) -> Mapped:
    """Who the claims stand for. Raises Unauthenticated where no rule names a user."""
    said = {_canonical(name): _values(value) for name, value in claims.items()}
    who: LocalUser | None = None
    group_ids: set[str] = set()
    groups: set[tuple[str, str | None, str | None]] = set()
    for rule in msgspec.convert(rules, type=list[Rule]):
        matched = _matched(rule, said)
        if matched is None:
            continue
        for local in rule.local:
            if local.user is not None and who is None:
                who = _filled_user(local.user, matched)
            group_ids |= set(_filled_list(local.group_ids, matched))
            if local.group is not None and local.group.id is not None:
                group_ids.add(local.group.id)
            groups |= _named_groups(local, matched)
    if who is None or not (who.name or who.id):
        raise Unauthenticated("No rule of the mapping says who this is.")
    return Mapped(who, frozenset(group_ids), frozenset(groups))


def _matched(rule: Rule, said: Mapping[str, list[str]]) -> list[list[str]] | None:
    """The values that `{0}` … stand for, or None where a condition does not hold."""
    direct: list[list[str]] = []
    for remote in rule.remote:
        values = said.get(_canonical(remote.type), [])
        if not values:
            return None
        if remote.any_one_of is not None:
            if not _fitting(values, remote.any_one_of, regex=remote.regex):
                return None
        elif remote.not_any_of is not None:
            if _fitting(values, remote.not_any_of, regex=remote.regex):
                return None
        elif remote.whitelist is not None:
            direct.append(_fitting(values, remote.whitelist, regex=remote.regex))
        elif remote.blacklist is not None:
            bad = set(_fitting(values, remote.blacklist, regex=remote.regex))
            direct.append([value for value in values if value not in bad])
        else:
            direct.append(values)
    return direct


def _fitting(values: Sequence[str], wanted: Sequence[str], *, regex: bool) -> list[str]:
    if regex:
        return [value for value in values if any(re.search(one, value) for one in wanted)]
    return [value for value in values if value in wanted]


def _filled_user(user: LocalUser, matched: Sequence[list[str]]) -> LocalUser:
    return msgspec.structs.replace(
        user,
        id=_filled(user.id, matched),
        name=_filled(user.name, matched),
        email=_filled(user.email, matched),
    )


def _named_groups(local: Local, matched: Sequence[list[str]]) -> set[tuple[str, str | None, str | None]]:
    found = set()
    if local.group is not None and local.group.name is not None:
        at = local.group.domain or local.domain or DomainName()
        found.add((_filled(local.group.name, matched) or "", at.id, at.name))
    at = local.domain or DomainName()
    return found | {(name, at.id, at.name) for name in _filled_list(local.groups, matched)}


def _filled(text: str | None, matched: Sequence[list[str]]) -> str | None:
    """The text with its places taken; a claim of several values gives its first."""
    if text is None:
        return None
    return _PLACE.sub(lambda place: (matched[int(place[1])] or [""])[0], text)


def _filled_list(text: str | None, matched: Sequence[list[str]]) -> list[str]:
    if text is None:
        return []
    place = _PLACE.fullmatch(text)
    if place:
        return matched[int(place[1])]
    return [part.strip() for part in str(_filled(text, matched)).split(";") if part.strip()]


def _canonical(name: str) -> str:
    bare = re.sub(r"^(HTTP_)?OIDC[-_]", "", name, flags=re.IGNORECASE)
    return bare.lower().replace("-", "_")


def _values(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(part) for part in value]
    if isinstance(value, str):
        # Web servers join several values so.
        return [part for part in value.split(";") if part]
    return [] if value is None or isinstance(value, dict) else [str(value)]


def _check(rules: Sequence[Rule]) -> None:
    """Places must have something to stand for, and patterns must be such."""
    for at, rule in enumerate(rules):
        direct = sum(1 for r in rule.remote if r.any_one_of is None and r.not_any_of is None)
        where = f"mapping.rules[{at}]"
        for place in _PLACE.finditer(msgspec.json.encode(rule.local).decode()):
            if int(place[1]) >= direct:
                raise Invalid(f"{where} has no value for {place[0]}.", field=where)
        for remote in rule.remote:
            chosen = [remote.any_one_of, remote.not_any_of, remote.whitelist, remote.blacklist]
            if sum(1 for part in chosen if part is not None) > 1:
                raise Invalid(f"{where}: a condition has one list.", field=where)
            for pattern in next((part for part in chosen if part is not None), []) if remote.regex else []:
                try:
                    re.compile(pattern)
                except re.error as error:
                    raise Invalid(f"{where}: {pattern!r} is no pattern: {error}.", field=where) from error


def _plain(rules: Sequence[Rule]) -> Any:
    """As the client sent it, without what it left out."""
    return _without_null(msgspec.to_builtins(rules))


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: _without_null(v) for k, v in value.items() if v is not None}
        return {k: v for k, v in kept.items() if (k, v) not in (("regex", False), ("type", "ephemeral"))}
    return [_without_null(part) for part in value] if isinstance(value, list) else value

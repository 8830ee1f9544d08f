"""Settings that clients deposit for a domain: where its users' directory is. Sealed, kept and shown.

This cloud has no directory driver: it reads none of them. Secret options are never shown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql

from volutus import audit
from volutus.db import Tx
from volutus.errors import Forbidden, Invalid, NotFound
from volutus.identity import domains
from volutus.identity.caller import Caller
from volutus.identity.keys import KeyRepository
from volutus.identity.tables import domain_config

Config = dict[str, dict[str, Any]]

# The options that Keystone lets a domain set, with their defaults.
DEFAULTS: Config = {
    "identity": {"driver": "sql", "list_limit": None},
    "ldap": {
        "url": "ldap://localhost",
        "user": None,
        "suffix": "cn=example,cn=com",
        "query_scope": "one",
        "page_size": 0,
        "alias_dereferencing": "default",
        "user_tree_dn": None,
        "user_filter": None,
        "user_objectclass": "inetOrgPerson",
        "user_id_attribute": "cn",
        "user_name_attribute": "sn",
        "user_description_attribute": "description",
        "user_mail_attribute": "mail",
        "user_enabled_attribute": "enabled",
        "group_tree_dn": None,
        "group_filter": None,
        "group_objectclass": "groupOfNames",
        "group_id_attribute": "cn",
        "group_name_attribute": "ou",
        "group_member_attribute": "member",
        "group_desc_attribute": "description",
        "use_tls": False,
        "tls_cacertfile": None,
        "tls_req_cert": "demand",
        "chase_referrals": None,
    },
}
_SECRET = {"ldap": frozenset({"password"})}


class ConfigNotFound(NotFound):
    code = "identity.domain_config.not_found"


@dataclass(frozen=True)
class Part:
    """The whole configuration, a group of it, or one option of a group."""

    group: str | None = None
    option: str | None = None

    def of(self, config: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """What Keystone shows of this part. Raises ConfigNotFound."""
        if self.group is None:
            return dict(config)
        if self.group not in config:
            raise ConfigNotFound(f"Could not find group {self.group} in the domain's configuration.")
        if self.option is None:
            return {self.group: config[self.group]}
        if self.option not in config[self.group]:
            raise ConfigNotFound(f"Could not find option {self.option} in group {self.group}.")
        return {self.option: config[self.group][self.option]}

    def require_known(self) -> None:
        """Raise Forbidden for what no domain may set."""
        if self.group is not None and self.group not in DEFAULTS:
            raise Forbidden(f"Group {self.group} is not supported for domain specific configurations.")
        known = DEFAULTS.get(self.group or "", {}).keys() | _SECRET.get(self.group or "", frozenset())
        if self.option is not None and self.option not in known:
            raise Forbidden(f"Option {self.option} in group {self.group} is not supported for domains.")


def replace(tx: Tx, caller: Caller, vault: KeyRepository, domain_id: str, config: object) -> Config:
    """Set a domain's configuration, whatever was there before."""
    domains.must_exist(tx, domain_id)
    chosen = _checked(config)
    _keep(tx, caller, vault, domain_id, chosen)
    return _shown(chosen)


def show(tx: Tx, vault: KeyRepository, domain_id: str, part: Part) -> dict[str, Any]:
    """A part of a domain's configuration. Raises ConfigNotFound."""
    part.require_known()
    return part.of(_shown(_read(tx, vault, domain_id)))


def default(part: Part) -> dict[str, Any]:
    """A part of the defaults."""
    part.require_known()
    return part.of(DEFAULTS)


def change(
    tx: Tx, caller: Caller, vault: KeyRepository, domain_id: str, part: Part, config: object
) -> Config:
    """Change a part; answers the whole. A group is named in the body again, an option stands alone."""
    part.require_known()
    before = _read(tx, vault, domain_id)
    part.of(before)
    given = {part.group: config} if part.option is not None else config
    chosen = _checked(given)
    if part.group is not None and chosen.keys() != {part.group}:
        raise Invalid(f"Invalid input for config: it is about {part.group} alone.", field="config")
    if part.option is not None and chosen[str(part.group)].keys() != {part.option}:
        raise Invalid(f"Invalid input for config: it is about {part.option} alone.", field="config")
    after = before | {group: before.get(group, {}) | options for group, options in chosen.items()}
    _keep(tx, caller, vault, domain_id, after)
    return _shown(after)


def remove(tx: Tx, caller: Caller, vault: KeyRepository, domain_id: str, part: Part) -> None:
    """Forget a part. Raises ConfigNotFound."""
    part.require_known()
    before = _read(tx, vault, domain_id)
    part.of(before)
    if part.group is None:
        tx.execute(delete(domain_config).where(domain_config.c.domain_id == domain_id))
        audit.record(tx, caller, "delete_config", "identity.domain", domain_id)
        return
    options = {k: v for k, v in before[part.group].items() if part.option is not None and k != part.option}
    rest = {group: inner for group, inner in before.items() if group != part.group}
    _keep(tx, caller, vault, domain_id, rest | ({part.group: options} if options else {}))


def _read(tx: Tx, vault: KeyRepository, domain_id: str) -> Config:
    domains.must_exist(tx, domain_id)
    statement = select(domain_config.c.sealed_config).where(domain_config.c.domain_id == domain_id)
    sealed = tx.value(statement.limit(1))
    opened = vault.open(sealed) if sealed is not None else None
    if opened is None:
        raise ConfigNotFound(f"Could not find a configuration of domain {domain_id}.")
    return msgspec.json.decode(opened, type=dict[str, dict[str, Any]])


def _keep(tx: Tx, caller: Caller, vault: KeyRepository, domain_id: str, config: Config) -> None:
    sealed = vault.seal(msgspec.json.encode(config), int(tx.now.timestamp()))
    statement = postgresql.insert(domain_config).values(domain_id=domain_id, sealed_config=sealed)
    tx.execute(statement.on_conflict_do_update(index_elements=["domain_id"], set_={"sealed_config": sealed}))
    audit.record(tx, caller, "configure", "identity.domain", domain_id)


def _checked(config: object) -> Config:
    if not isinstance(config, dict) or not config:
        raise Invalid("Invalid input for config: an object with a group is required.", field="config")
    for group, options in config.items():
        if not isinstance(options, dict) or not options:
            raise Invalid(f"Invalid input for config.{group}: it has no option.", field=f"config.{group}")
        for option, value in options.items():
            Part(str(group), str(option)).require_known()
            if not isinstance(value, str | int | bool | None):
                where = f"config.{group}.{option}"
                raise Invalid(f"Invalid input for {where}: it is one value.", field=where)
    return config


def _shown(config: Config) -> Config:
    return {
        group: {k: v for k, v in options.items() if k not in _SECRET.get(group, frozenset())}
        for group, options in config.items()
    }

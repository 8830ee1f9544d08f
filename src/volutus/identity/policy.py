"""Permissions: names such as `compute:servers:create` to the personas that have them.

Each dialect ships a `policy.toml` of `"permission" = "persona or persona"`. A persona is a role with a scope:

    anyone           any valid token, even unscoped
    project_reader   project_member   project_manager   project_admin     role in a project
    domain_reader    domain_manager   domain_admin                        role in a domain
    system_reader    system_admin                                         role on the system
    admin            role admin with any scope
    service          role service with any scope
    host             a host's agent

Whether the object is the caller's is not asked here but by the verb that fetches it.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from volutus.errors import Forbidden, Invalid
from volutus.identity.caller import Caller

_SCOPED = ("reader", "member", "manager", "admin")


def _holds(persona: str, caller: Caller) -> bool:
    if persona == "anyone":
        return True
    if persona in ("admin", "service", "host"):
        return persona in caller.roles
    scope, _, role = persona.partition("_")
    if scope == "project":
        return caller.project_id is not None and role in caller.roles
    if scope == "domain":
        return caller.domain_id is not None and role in caller.roles
    return caller.system and role in caller.roles


class Policy:
    """The permissions of all dialects. Immutable once built."""

    def __init__(self, rules: Mapping[str, str]) -> None:
        self._rules = {name: tuple(_personas(name, rule)) for name, rule in rules.items()}

    @classmethod
    def from_files(cls, paths: list[Path]) -> "Policy":
        """Read the files in order; a later one overrides an earlier one's permission."""
        rules: dict[str, str] = {}
        for path in paths:
            rules.update(_read(path))
        return cls(rules)

    def __contains__(self, permission: str) -> bool:
        return permission in self._rules

    def allows(self, permission: str, caller: Caller) -> bool:
        """Whether the caller has the permission. An unknown permission is had by nobody."""
        return any(_holds(persona, caller) for persona in self._rules.get(permission, ()))

    def require(self, permission: str, caller: Caller) -> None:
        """Raise Forbidden unless the caller has the permission."""
        if not self.allows(permission, caller):
            raise Forbidden(f"Policy does not allow {permission} to be performed.")

    def rules(self) -> Mapping[str, str]:
        """Permission to rule, for `volutus policy list`."""
        return {name: " or ".join(personas) for name, personas in sorted(self._rules.items())}


def _read(path: Path) -> dict[str, str]:
    try:
        rules = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{path}: {error}", field=path.name) from error
    for name, rule in rules.items():
        if not isinstance(rule, str):
            raise Invalid(
                f"{path}: write a permission with a colon in quotes, its rule as text: {name}", field=name
            )
    return rules


def _personas(permission: str, rule: str) -> list[str]:
    personas = [part.strip() for part in rule.split(" or ")]
    known = {"anyone", "admin", "service", "host"} | {
        f"{s}_{r}" for s in ("project", "domain", "system") for r in _SCOPED
    }
    for persona in personas:
        if persona not in known:
            raise Invalid(f"policy {permission}: there is no persona {persona!r}", field=permission)
    return personas

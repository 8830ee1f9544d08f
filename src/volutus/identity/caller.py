"""The caller of a request: what a token stands for, as every verb is given it."""

from dataclasses import dataclass, field
from datetime import datetime

from volutus.errors import Forbidden
from volutus.identity.access_rules import AccessRule


@dataclass(frozen=True)
class Caller:
    """Exactly one of `project_id`, `domain_id` and `system` is set, or none (unscoped).

    `roles` are names with implied roles expanded (admin ⊃ manager ⊃ member ⊃ reader). A token from an
    application credential may be good for some requests alone (`access_rules`), and unless its maker said
    otherwise may not make further credentials (`is_restricted`). The cloud itself acts as `CLOUD`.
    """

    user_id: str | None
    user_name: str = ""
    user_domain_id: str = "default"
    project_id: str | None = None
    project_name: str = ""
    project_domain_id: str = "default"
    domain_id: str | None = None
    system: bool = False
    roles: frozenset[str] = frozenset()
    token_audit_id: str = ""
    token_expires_at: datetime | None = None
    application_credential_id: str | None = None
    trust_id: str | None = None
    access_rules: tuple[AccessRule, ...] | None = None
    is_restricted: bool = False
    request_id: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def is_admin(self) -> bool:
        """May see and change what belongs to any project."""
        return "admin" in self.roles

    def sees(self, project_id: str | None) -> bool:
        """Whether an object of this project exists as far as the caller is concerned."""
        return self.is_admin or (project_id is not None and project_id == self.project_id)

    def own_project(self) -> str:
        """The project new objects belong to. Raises Forbidden when the token has none."""
        if self.project_id is None:
            raise Forbidden("This needs a token scoped to a project.")
        return self.project_id


CLOUD = Caller(
    user_id=None, user_name="cloud", system=True, roles=frozenset({"admin", "manager", "member", "reader"})
)

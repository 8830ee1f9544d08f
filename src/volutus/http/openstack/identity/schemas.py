"""The body of a sign-in, as Keystone's clients send it."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from volutus.errors import Invalid
from volutus.identity.payload import ScopeKind
from volutus.identity.sign_in import ApplicationCredentialProof, Attempt, NameOrId, Scope

_Text = Annotated[str, Meta(max_length=255)]


class Domain(msgspec.Struct):
    id: _Text | None = None
    name: _Text | None = None


class User(msgspec.Struct):
    id: _Text | None = None
    name: _Text | None = None
    domain: Domain | None = None
    password: str | None = None
    passcode: _Text | None = None


class UserMethod(msgspec.Struct):
    user: User


class TokenMethod(msgspec.Struct):
    id: str


class ApplicationCredentialMethod(msgspec.Struct):
    secret: str
    id: _Text | None = None
    name: _Text | None = None
    user: User | None = None


class IdentityPart(msgspec.Struct):
    methods: list[str]
    password: UserMethod | None = None
    totp: UserMethod | None = None
    token: TokenMethod | None = None
    application_credential: ApplicationCredentialMethod | None = None


class Project(msgspec.Struct):
    id: _Text | None = None
    name: _Text | None = None
    domain: Domain | None = None


class Trust(msgspec.Struct):
    id: _Text


class ScopePart(msgspec.Struct):
    project: Project | None = None
    domain: Domain | None = None
    system: dict[str, Any] | None = None
    trust: Trust | None = msgspec.field(default=None, name="OS-TRUST:trust")
    unscoped: dict[str, Any] | None = None


class Auth(msgspec.Struct):
    identity: IdentityPart
    scope: ScopePart | str | None = None


class AuthBody(msgspec.Struct):
    auth: Auth


_METHODS = frozenset({"password", "totp", "token", "application_credential"})
# Its proof is the request's signature.
_OAUTH1 = "oauth1"


def attempt(body: AuthBody) -> Attempt:
    """The sign-in that the body describes. Raises Invalid naming the field."""
    proofs = body.auth.identity
    methods = tuple(dict.fromkeys(proofs.methods))
    for method in methods:
        if method == _OAUTH1:
            continue
        if method not in _METHODS:
            raise Invalid(f"Attempted to authenticate with an unsupported method: {method}.", field="methods")
        if getattr(proofs, method) is None:
            raise Invalid(f"Invalid input for auth.identity.{method}: it is required.", field=method)
    password = proofs.password if "password" in methods else None
    totp = proofs.totp if "totp" in methods else None
    return Attempt(
        methods=methods,
        password=(_user(password.user), password.user.password or "") if password else None,
        totp=(_user(totp.user), totp.user.passcode or "") if totp else None,
        token=proofs.token.id if proofs.token and "token" in methods else None,
        application_credential=_application_credential(proofs)
        if "application_credential" in methods
        else None,
        scope=_scope(body.auth.scope),
    )


def _user(user: User) -> NameOrId:
    return _named(user, "auth.identity.password.user")


def _application_credential(proofs: IdentityPart) -> ApplicationCredentialProof | None:
    given = proofs.application_credential
    if given is None:
        return None
    if given.id is not None:
        return ApplicationCredentialProof(given.secret, id=given.id)
    if given.name is None or given.user is None:
        raise Invalid("An application credential is named by its id, or by its name and its user.")
    return ApplicationCredentialProof(given.secret, name=given.name, user=_user(given.user))


def _scope(scope: ScopePart | str | None) -> Scope | None:
    if scope is None:
        return None
    if isinstance(scope, str):
        if scope != "unscoped":
            raise Invalid("auth.scope is an object, or the word unscoped.", field="auth.scope")
        return Scope(ScopeKind.UNSCOPED)
    asked = [
        part
        for part in (scope.project, scope.domain, scope.system, scope.trust, scope.unscoped)
        if part is not None
    ]
    if len(asked) > 1:
        raise Invalid(
            "auth.scope names one of project, domain, system and OS-TRUST:trust.", field="auth.scope"
        )
    if scope.project is not None:
        return Scope(ScopeKind.PROJECT, _named(scope.project, "auth.scope.project"))
    if scope.domain is not None:
        if scope.domain.id is None and scope.domain.name is None:
            raise Invalid("Invalid input for auth.scope.domain: id or name is required.", field="domain")
        return Scope(ScopeKind.DOMAIN, NameOrId(scope.domain.id, scope.domain.name))
    if scope.system is not None:
        if scope.system.get("all") is not True:
            raise Invalid('Invalid input for auth.scope.system: it is {"all": true}.', field="system")
        return Scope(ScopeKind.SYSTEM)
    if scope.trust is not None:
        return Scope(ScopeKind.UNSCOPED, trust_id=scope.trust.id)
    return Scope(ScopeKind.UNSCOPED) if scope.unscoped is not None else None


def _named(part: User | Project, path: str) -> NameOrId:
    if part.id is not None:
        return NameOrId(id=part.id)
    if part.name is None:
        raise Invalid(f"Invalid input for {path}: id or name is required.", field=path)
    if part.domain is None or (part.domain.id is None and part.domain.name is None):
        raise Invalid(f"Invalid input for {path}.domain: id or name is required.", field=f"{path}.domain")
    return NameOrId(name=part.name, domain_id=part.domain.id, domain_name=part.domain.name)

"""Tokens over HTTP: issue, show, check, revoke, and what the caller's own token opens."""

from dataclasses import replace

from starlette.responses import Response

from volutus.errors import Forbidden, Invalid
from volutus.http.kernel import Request, document, empty, no_content
from volutus.http.openstack.identity import consumers, schemas, views
from volutus.http.openstack.identity.bodies import flag, identity_of
from volutus.identity import catalog, tokens
from volutus.identity.payload import ScopeKind
from volutus.identity.sign_in import sign_in

_VARY = {"Vary": "X-Auth-Token"}


def issue(request: Request) -> Response:
    """Sign in."""
    asked = schemas.attempt(request.read(schemas.AuthBody))
    signed = consumers.signed(request) if "oauth1" in asked.methods else None
    attempt = replace(asked, address=request.client_address, oauth1=signed)
    token = sign_in(request.tx, identity_of(request), attempt)
    return answer(request, token, 201)


def show(request: Request) -> Response:
    """What a token stands for."""
    return answer(request, _subject(request), 200)


def check(request: Request) -> Response:
    """Whether a token is good."""
    _subject(request)
    return empty(200, _VARY)


def revoke(request: Request) -> Response:
    """Make a token worthless."""
    subject = _subject(request)
    identity_of(request).tokens.revoke(request.tx, request.caller, subject)
    return no_content()


def show_catalog(request: Request) -> Response:
    """The catalog that a token issued now would carry."""
    caller = request.caller
    if caller.project_id is None and caller.domain_id is None and not caller.system:
        raise Forbidden("An unscoped token has no catalog.")
    offers = catalog.catalog(request.tx, caller.project_id, caller.user_id)
    body = {"catalog": views.catalog(offers, request.origin), "links": {"self": request.url}}
    return document(body | {"links": {"next": None, "previous": None, "self": request.url}})


def _subject(request: Request) -> tokens.Token:
    """The token in X-Subject-Token, if it is the caller's or the caller may look at others'."""
    text = request.headers.get("x-subject-token")
    if not text:
        raise Invalid("The header X-Subject-Token is required.", field="X-Subject-Token")
    caller = request.caller
    privileged = bool(caller.roles & {"admin", "service"}) or (caller.system and "reader" in caller.roles)
    late = flag(request, "allow_expired") is True and bool(caller.roles & {"admin", "service"})
    token = identity_of(request).tokens.get(request.tx, text, allow_expired=late)
    if not privileged and token.payload.user_id != caller.user_id:
        raise Forbidden("You are not authorized to look at another user's token.")
    if request.method == "DELETE" and not (
        "admin" in caller.roles or token.payload.user_id == caller.user_id
    ):
        raise Forbidden("You are not authorized to revoke another user's token.")
    return token


def answer(request: Request, token: tokens.Token, status: int) -> Response:
    """A token and what it stands for."""
    offers = None
    if "nocatalog" not in request.query and token.payload.kind:
        place = token.standing.place
        in_project = token.payload.kind is ScopeKind.PROJECT and place is not None
        project_id = place.id if in_project and place else None
        offers = (
            identity_of(request)
            .memory.view(request.tx)
            .recall(
                ("catalog", project_id, token.payload.user_id),
                lambda: catalog.catalog(request.tx, project_id, token.payload.user_id),
            )
        )
    headers = {"X-Subject-Token": token.text, **_VARY}
    return document(views.token(token, offers, request.origin), status, headers)

"""Consumers and the access that users give them (OS-OAUTH1), over HTTP."""

from typing import Any
from urllib.parse import unquote, urlencode

import msgspec
from starlette.responses import Response

from volutus.errors import Invalid, NotFound
from volutus.http.kernel import Request, created, document, no_content, parse_page
from volutus.http.openstack.identity import views
from volutus.http.openstack.identity.bodies import identity_of, read_object
from volutus.identity import consumers
from volutus.identity.consumers import ConsumerFields, Drawn
from volutus.identity.records import Id
from volutus.identity.signatures import Signed
from volutus.identity.trusts import Trust

FORM = "application/x-www-form-urlencoded"


class RoleId(msgspec.Struct):
    """A role by its id."""

    id: Id


class Authorization(msgspec.Struct):
    """The roles that a user gives a consumer."""

    roles: list[RoleId]


def create(request: Request) -> Response:
    """A new consumer; the only answer that has its secret."""
    fields, extra = read_object(request, "consumer", ConsumerFields)
    row, secret = consumers.create(request.tx, request.caller, identity_of(request).vault, fields, extra)
    return created({"consumer": {**_shown(request, row), "secret": secret}})


def index(request: Request) -> Response:
    """All consumers."""
    page = parse_page(request)
    rows = consumers.list_(request.tx, page)
    return views.listing(request, "consumers", [_shown(request, row) for row in rows], page)


def show(request: Request) -> Response:
    """One consumer."""
    return document({"consumer": _shown(request, consumers.get(request.tx, request.params["consumer_id"]))})


def update(request: Request) -> Response:
    """Change a consumer."""
    fields, extra = read_object(request, "consumer", ConsumerFields)
    row = consumers.change(request.tx, request.caller, request.params["consumer_id"], fields, extra)
    return document({"consumer": _shown(request, row)})


def delete(request: Request) -> Response:
    """Delete a consumer."""
    consumers.remove(request.tx, request.caller, request.params["consumer_id"])
    return no_content()


def ask(request: Request) -> Response:
    """A request token for a consumer that signs for it."""
    project_id = request.headers.get("requested-project-id")
    if not project_id:
        raise Invalid("The header Requested-Project-Id is required.", field="Requested-Project-Id")
    return _form(consumers.ask(request.tx, identity_of(request).vault, signed(request), project_id))


def authorize(request: Request) -> Response:
    """A user authorizes a request token."""
    roles = [role.id for role in request.read(Authorization).roles]
    verifier = consumers.authorize(request.tx, request.caller, request.params["request_token_id"], roles)
    return document({"token": {"oauth_verifier": verifier}})


def redeem(request: Request) -> Response:
    """An access token for an authorized request token."""
    return _form(consumers.redeem(request.tx, identity_of(request).vault, signed(request)))


def list_tokens(request: Request) -> Response:
    """The access that a user gave."""
    page = parse_page(request)
    rows = consumers.list_tokens(request.tx, request.caller, request.params["user_id"], page)
    shown = [
        {
            "id": row.id,
            "consumer_id": row.consumer_id,
            "authorizing_user_id": row.user_id,
            "links": _token_links(request, row.id),
        }
        for row in rows
    ]
    return views.listing(request, "access_tokens", shown, page)


def show_token(request: Request) -> Response:
    """One access token."""
    row, trust = _token(request)
    shown = {
        "id": row.id,
        "consumer_id": row.consumer_id,
        "authorizing_user_id": row.user_id,
        "project_id": trust.row.project_id,
        "expires_at": views.moment(trust.row.expires_at),
        "links": _token_links(request, row.id),
    }
    return document({"access_token": shown})


def delete_token(request: Request) -> Response:
    """Take back what was given."""
    params = request.params
    consumers.remove_token(request.tx, request.caller, params["user_id"], params["access_token_id"])
    return no_content()


def list_token_roles(request: Request) -> Response:
    """The roles that an access token gives."""
    _, trust = _token(request)
    return views.listing(request, "roles", [views.role(request, row) for row in trust.roles])


def show_token_role(request: Request) -> Response:
    """One of the roles that an access token gives."""
    _, trust = _token(request)
    for row in trust.roles:
        if row.id == request.params["role_id"]:
            return document({"role": views.role(request, row)})
    raise NotFound(f"Could not find role: {request.params['role_id']}.")


def signed(request: Request) -> Signed:
    """The request as its sender signed it. Raises Invalid without OAuth's header."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "oauth":
        raise Invalid("The header Authorization of OAuth 1.0 is required.", field="Authorization")
    pairs = (part.strip().partition("=") for part in rest.split(","))
    oauth = {name: unquote(value.strip('"')) for name, found, value in pairs if found}
    return Signed(request.method, request.url, oauth, request.query.multi_items())


def _token(request: Request) -> tuple[Any, Trust]:
    params = request.params
    return consumers.get_token(request.tx, request.caller, params["user_id"], params["access_token_id"])


def _form(drawn: Drawn) -> Response:
    fields = {"oauth_token": drawn.id, "oauth_token_secret": drawn.secret}
    if drawn.expires_at is not None:
        fields["oauth_expires_at"] = str(views.moment(drawn.expires_at))
    return Response(urlencode(fields), 201, media_type=FORM)


def _token_links(request: Request, token_id: str) -> views.Document:
    own = ("users", request.params["user_id"], "OS-OAUTH1", "access_tokens", token_id)
    return {**views.links(request, *own), "roles": views.links(request, *own, "roles")["self"]}


def _shown(request: Request, row: Any) -> views.Document:
    own = {"id": row.id, "description": row.description}
    return {**row.extra, **own, "links": views.links(request, "OS-OAUTH1", "consumers", row.id)}

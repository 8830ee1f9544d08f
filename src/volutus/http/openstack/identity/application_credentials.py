"""Application credentials and access rules over HTTP."""

from datetime import UTC, datetime

from starlette.responses import Response

from volutus.http.kernel import Request, created, document, no_content, parse_page
from volutus.http.openstack.identity import views
from volutus.http.openstack.identity.bodies import identity_of, read_object, with_moment
from volutus.identity import application_credentials
from volutus.identity.access_rules import AccessRule
from volutus.identity.application_credentials import ApplicationCredential, ApplicationCredentialFields


def create(request: Request) -> Response:
    """A new application credential; the only answer that has its secret."""
    fields, _ = read_object(
        request, "application_credential", ApplicationCredentialFields, with_moment("expires_at")
    )
    made = application_credentials.create(
        request.tx, request.caller, identity_of(request).passwords, request.params["user_id"], fields
    )
    return created({"application_credential": {**_shown(request, made), "secret": made.secret}})


def index(request: Request) -> Response:
    """A user's application credentials."""
    page = parse_page(request)
    found = application_credentials.list_(
        request.tx, request.caller, request.params["user_id"], page, request.query.get("name")
    )
    return views.listing(request, "application_credentials", [_shown(request, c) for c in found], page)


def show(request: Request) -> Response:
    """One application credential."""
    found = application_credentials.get(
        request.tx, request.caller, request.params["user_id"], request.params["credential_id"]
    )
    return document({"application_credential": _shown(request, found)})


def delete(request: Request) -> Response:
    """Delete an application credential."""
    application_credentials.remove(
        request.tx, request.caller, request.params["user_id"], request.params["credential_id"]
    )
    return no_content()


def list_rules(request: Request) -> Response:
    """A user's access rules."""
    page = parse_page(request)
    found = application_credentials.list_rules(request.tx, request.caller, request.params["user_id"], page)
    return views.listing(request, "access_rules", [_rule(request, rule) for rule in found], page)


def show_rule(request: Request) -> Response:
    """One access rule."""
    rule = application_credentials.get_rule(
        request.tx, request.caller, request.params["user_id"], request.params["rule_id"]
    )
    return document({"access_rule": _rule(request, rule)})


def delete_rule(request: Request) -> Response:
    """Delete an access rule that is not in use."""
    application_credentials.remove_rule(
        request.tx, request.caller, request.params["user_id"], request.params["rule_id"]
    )
    return no_content()


def _shown(request: Request, item: ApplicationCredential) -> views.Document:
    shown: views.Document = {
        "id": item.id,
        "name": item.name,
        "description": item.description,
        "user_id": item.user_id,
        "project_id": item.project_id,
        "roles": [{"id": r.id, "name": r.name, "domain_id": r.domain_id} for r in item.roles],
        "expires_at": _plain(item.expires_at),
        "unrestricted": item.unrestricted,
        "system": None,
        "links": views.links(request, "users", item.user_id, "application_credentials", item.id),
    }
    if item.access_rules is not None:
        shown["access_rules"] = [
            {"id": r.id, "service": r.service, "method": r.method, "path": r.path} for r in item.access_rules
        ]
    return shown


def _rule(request: Request, rule: AccessRule) -> views.Document:
    links = views.links(request, "users", request.params["user_id"], "access_rules", rule.id)
    return {
        "id": rule.id,
        "service": rule.service,
        "method": rule.method,
        "path": rule.path,
        "links": links,
    }


def _plain(at: datetime | None) -> str | None:
    """Without a zone, as Keystone writes this one time."""
    return None if at is None else at.astimezone(UTC).replace(tzinfo=None).isoformat()

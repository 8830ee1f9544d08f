"""Somebody else's objects in identity. Keystone says 403 where another service would say 404, whether or
not the object exists."""

import base64
import hmac
from dataclasses import replace

from tests.api.foreign import Foreign, Maker
from tests.api.identity.orders import orders
from volutus.db import Page, Tx
from volutus.http.kernel import Plane
from volutus.identity import (
    application_credentials,
    catalog,
    consumers,
    credentials,
    domain_configs,
    domains,
    endpoint_filters,
    groups,
    policies,
    projects,
    roles,
    trusts,
    users,
)
from volutus.identity.application_credentials import ApplicationCredentialFields, RoleReference, RuleFields
from volutus.identity.assignments import Grant, give
from volutus.identity.caller import CLOUD, Caller
from volutus.identity.records import Filter
from volutus.identity.signatures import Signed
from volutus.quota import unified


def _domain(tx: Tx, _plane: Plane) -> str:
    rows = domains.list_(tx, CLOUD, Page(), [Filter("name", "theirs")])
    return rows[0].id if rows else domains.create(tx, CLOUD, domains.DomainFields("theirs"), {}).id


def _project(tx: Tx, plane: Plane) -> str:
    rows = projects.list_(tx, CLOUD, Page(), [Filter("name", "theirs")])
    if rows:
        return str(rows[0].id)
    fields = projects.ProjectFields("theirs", _domain(tx, plane), tags=["tag"])
    return str(projects.create(tx, CLOUD, fields, {}).id)


def _user(tx: Tx, plane: Plane) -> str:
    rows = users.list_(tx, CLOUD, Page(), [Filter("name", "them")])
    if rows:
        return str(rows[0].id)
    passwords = plane.parts["identity"].passwords
    return str(users.create(tx, CLOUD, passwords, users.UserFields("them", _domain(tx, plane)), {}).id)


def _group(tx: Tx, plane: Plane) -> str:
    group_id = groups.create(tx, CLOUD, groups.GroupFields("theirs", _domain(tx, plane)), {}).id
    groups.add_member(tx, CLOUD, group_id, _user(tx, plane))
    return str(group_id)


def _role(tx: Tx, _plane: Plane) -> str:
    rows = roles.list_(tx, CLOUD, Page(), [Filter("name", "member")])
    return str(rows[0].id) if rows else str(roles.create(tx, CLOUD, roles.RoleFields("member"), {}).id)


def _them(tx: Tx, plane: Plane) -> Caller:
    user_id, project_id, role_id = _user(tx, plane), _project(tx, plane), _role(tx, plane)
    give(tx, CLOUD, Grant(user_id=user_id, project_id=project_id), role_id)
    return Caller(user_id, project_id=project_id, roles=frozenset({"member"}))


def _application_credential(tx: Tx, plane: Plane) -> str:
    rules = [RuleFields(service="compute", method="GET", path="/v2.1/servers")]
    fields = ApplicationCredentialFields("theirs", access_rules=rules)
    passwords, them = plane.parts["identity"].passwords, _them(tx, plane)
    return application_credentials.create(tx, them, passwords, str(them.user_id), fields).id


def _access_rule(tx: Tx, plane: Plane) -> str:
    _application_credential(tx, plane)
    them = _them(tx, plane)
    return application_credentials.list_rules(tx, them, str(them.user_id), Page())[0].id


def _ready(plane: Plane) -> None:
    plane.parts["identity"].vault.ensure()


def _credential(tx: Tx, plane: Plane) -> str:
    _ready(plane)
    fields = credentials.CredentialFields(_user(tx, plane), None, "cert", "blob")
    return credentials.create(tx, CLOUD, plane.parts["identity"].vault, fields).id


def _access_key(tx: Tx, plane: Plane) -> str:
    _ready(plane)
    fields = credentials.CredentialFields(_user(tx, plane), _project(tx, plane), "ec2", '{"access": "key"}')
    credentials.create(tx, CLOUD, plane.parts["identity"].vault, fields)
    return "key"


def _trust(tx: Tx, plane: Plane) -> str:
    them = _them(tx, plane)
    fields = trusts.TrustFields(
        str(them.user_id), str(them.user_id), True, them.project_id, roles=[RoleReference(name="member")]
    )
    return str(trusts.create(tx, them, fields).row.id)


def _service(tx: Tx, _plane: Plane) -> str:
    return str(catalog.create_service(tx, CLOUD, catalog.ServiceFields("compute"), {}).id)


def _endpoint(tx: Tx, plane: Plane) -> str:
    fields = catalog.EndpointFields(_service(tx, plane), None, "public", "/compute")
    return str(catalog.create_endpoint(tx, CLOUD, fields, {}).id)


def _endpoint_group(tx: Tx, plane: Plane) -> str:
    rows = endpoint_filters.list_groups(tx, Page())
    if rows:
        return str(rows[0].id)
    fields = endpoint_filters.EndpointGroupFields("theirs", None, {"service_id": _service(tx, plane)})
    group_id = str(endpoint_filters.create_group(tx, CLOUD, fields).id)
    choice = endpoint_filters.Choice(_project(tx, plane), endpoint_group_id=group_id)
    endpoint_filters.choose(tx, CLOUD, choice)
    return group_id


def _chosen_endpoint(tx: Tx, plane: Plane) -> str:
    endpoint_id = _endpoint(tx, plane)
    choice = endpoint_filters.Choice(_project(tx, plane), endpoint_id)
    endpoint_filters.choose(tx, CLOUD, choice)
    return endpoint_id


def _configured_domain(tx: Tx, plane: Plane) -> str:
    _ready(plane)
    domain_id = _domain(tx, plane)
    domain_configs.replace(tx, CLOUD, plane.parts["identity"].vault, domain_id, {"ldap": {"url": "x"}})
    return domain_id


def _consumer(tx: Tx, plane: Plane) -> tuple[str, str]:
    _ready(plane)
    vault = plane.parts["identity"].vault
    row, secret = consumers.create(tx, CLOUD, vault, consumers.ConsumerFields("theirs"), {})
    return str(row.id), secret


def _signed(tx: Tx, key: str, secret: str, **token: str) -> Signed:
    """As a client of OAuth signs; `token` has its key, its secret and the verifier."""
    token_secret = token.pop("token_secret", "")
    named = {f"oauth_{name}": value for name, value in token.items()}
    stamp = str(int(tx.now.timestamp()))
    asked = {"oauth_consumer_key": key, "oauth_timestamp": stamp, "oauth_signature_method": "HMAC-SHA1"}
    unsigned = Signed("POST", "http://cloud/x", asked | named)
    keys = f"{secret}&{token_secret}".encode()
    made = base64.b64encode(hmac.new(keys, unsigned._base().encode(), "sha1").digest()).decode()
    return replace(unsigned, oauth={**unsigned.oauth, "oauth_signature": made})


def _request_token(tx: Tx, plane: Plane) -> str:
    signed = _signed(tx, *_consumer(tx, plane))
    return consumers.ask(tx, plane.parts["identity"].vault, signed, _project(tx, plane)).id


def _access_token(tx: Tx, plane: Plane) -> str:
    key, secret = _consumer(tx, plane)
    vault, them = plane.parts["identity"].vault, _them(tx, plane)
    asked = consumers.ask(tx, vault, _signed(tx, key, secret), str(them.project_id))
    verifier = consumers.authorize(tx, them, asked.id, [_role(tx, plane)])
    redeemed = _signed(tx, key, secret, token=asked.id, token_secret=asked.secret, verifier=verifier)
    return consumers.redeem(tx, vault, redeemed).id


def _limit(tx: Tx, plane: Plane) -> str:
    service_id = _service(tx, plane)
    unified.register(tx, CLOUD, [unified.RegisteredLimitOrder(service_id, "servers", 5)])
    order = unified.LimitOrder(service_id, "servers", 7, _project(tx, plane))
    return str(unified.create(tx, CLOUD, [order])[0].id)


def _policy(tx: Tx, _plane: Plane) -> str:
    return str(policies.create(tx, CLOUD, policies.PolicyFields("a", "b"), {}).id)


OBJECTS: dict[str, Maker] = {
    "domain_id": _domain,
    "domains/domain_id": _configured_domain,
    "project_id": _project,
    "user_id": _user,
    "group_id": _group,
    "role_id": _role,
    "prior_role_id": _role,
    "implied_role_id": _role,
    "rule_id": _access_rule,
    "credential_id": _credential,
    "access_key": _access_key,
    "trust_id": _trust,
    "service_id": _service,
    "endpoint_id": _endpoint,
    "policy_id": _policy,
    "limit_id": _limit,
    "endpoint_groups/endpoint_group_id": _endpoint_group,
    "endpoints/endpoint_id": _chosen_endpoint,
    "consumer_id": lambda tx, plane: _consumer(tx, plane)[0],
    "request_token_id": _request_token,
    "access_token_id": _access_token,
}
FOREIGN = Foreign(
    objects=OBJECTS,
    # Regions are in everybody's catalog.
    shared=frozenset(
        {
            "idp_id",
            "protocol_id",
            "mapping_id",
            "sp_id",
            "registered_limit_id",
            "region_id",
            "tag",
            "group",
            "option",
        }
    ),
    bodies={
        ("PATCH", "/v3/domains/{domain_id}"): {"domain": {"description": "mine"}},
        ("PATCH", "/v3/projects/{project_id}"): {"project": {"description": "mine"}},
        ("PUT", "/v3/projects/{project_id}/tags"): {"tags": ["mine"]},
        ("PATCH", "/v3/users/{user_id}"): {"user": {"password": "mine"}},
        ("PATCH", "/v3/groups/{group_id}"): {"group": {"description": "mine"}},
        ("PATCH", "/v3/roles/{role_id}"): {"role": {"description": "mine"}},
        ("PATCH", "/v3/credentials/{credential_id}"): {"credential": {"blob": "mine"}},
        ("PATCH", "/v3/services/{service_id}"): {"service": {"enabled": False}},
        ("PATCH", "/v3/endpoints/{endpoint_id}"): {"endpoint": {"url": "http://mine"}},
        ("PATCH", "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}"): {
            "endpoint_group": {"name": "mine"}
        },
        ("PUT", "/v3/domains/{domain_id}/config"): {"config": {"ldap": {"url": "mine"}}},
        ("PATCH", "/v3/domains/{domain_id}/config"): {"config": {"ldap": {"url": "mine"}}},
        ("PATCH", "/v3/limits/{limit_id}"): {"limit": {"resource_limit": 1000}},
        ("PATCH", "/v3/OS-OAUTH1/consumers/{consumer_id}"): {"consumer": {"description": "mine"}},
        ("PUT", "/v3/OS-OAUTH1/authorize/{request_token_id}"): {"roles": [{"id": "mine"}]},
        ("PATCH", "/v3/policies/{policy_id}"): {"policy": {"blob": "mine"}},
        ("POST", "/v3/users/{user_id}/credentials/OS-EC2"): {"tenant_id": "mine"},
        ("POST", "/v3/users/{user_id}/application_credentials"): {"application_credential": {"name": "mine"}},
    },
    operators=orders(OBJECTS),
    statuses=frozenset({403, 404}),
)

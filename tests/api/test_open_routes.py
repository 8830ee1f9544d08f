"""Which routes answer without a token: exactly these, over all dialects. A new one is a decision."""

import pytest

from volutus import main
from volutus.http import relay
from volutus.http.kernel import Dialect

# Signing in, and changing a password that may have expired, prove who one is by the password. The rest are
# version documents, which clients read to find out how to sign in. Consumers of OAuth 1.0 prove themselves by
# signatures.
# Federated users are proved by what their provider signed.
# Prices are public: whoever compares has no account yet.
OPEN = {
    # What this API is; what it knows is not in it.
    ("GET", "/billing/v1/openapi.json"),
    ("GET", "/billing/v1/price-lists"),
    ("GET", "/billing/v1/price-lists/{list_id}"),
    ("GET", "/billing/v1/prices"),
    ("GET", "/billing/v1/prices/history"),
    # Payment providers have no account: their signature is looked at instead.
    ("POST", "/billing/v1/providers/{provider}/events"),
    ("GET", "/image/versions"),
    ("GET", "/identity/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth"),
    ("POST", "/identity/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth"),
    ("GET", "/identity/v3/auth/OS-FEDERATION/callback"),
    ("GET", "/identity/v3/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso"),
    ("GET", "/identity/v3/auth/OS-FEDERATION/websso/{protocol_id}"),
    ("POST", "/identity/v3/OS-OAUTH1/access_token"),
    ("POST", "/identity/v3/OS-OAUTH1/request_token"),
    ("POST", "/identity/v3/auth/tokens"),
    ("POST", "/identity/v3/users/{user_id}/password"),
}
# Opened by a token of its own, good once, that an open session of the identity service ordered.
SOCKETS = {"/console/ws"}
VERSION_DOCUMENT = ("GET",)
# A version document has no id in its path and at most a version below the prefix.
SEGMENTS_MAX = 1


def _open_routes() -> set[tuple[str, str]]:
    return {
        (route.method, f"{prefix}{route.path}")
        for dialect in main.dialects()
        for prefix in dialect.prefixes
        for route in dialect.routes
        if route.open
    }


def _is_version_document(dialect: Dialect, method: str, path: str) -> bool:
    below = [segment for segment in path.removeprefix(dialect.prefixes[0]).split("/") if segment]
    return (
        method in VERSION_DOCUMENT
        and len(below) <= SEGMENTS_MAX
        and all(segment.startswith("v") and segment[1:2].isdigit() for segment in below)
    )


def test_open_routes_are_on_the_list():
    unlisted = _open_routes() - OPEN
    for dialect in main.dialects():
        unlisted = {(m, p) for m, p in unlisted if not _is_version_document(dialect, m, p)}
    assert unlisted == set()
    assert _open_routes() >= OPEN


def test_open_sockets_are_on_the_list():
    assert {route.path for route in relay.routes()} == SOCKETS


def test_every_other_route_names_a_permission_that_some_policy_has(kernel):
    missing = [
        f"{route.method} {route.path}: {route.permission}"
        for dialect in main.dialects()
        for route in dialect.routes
        if not route.open and route.permission not in kernel.plane.policy
    ]
    assert missing == []


@pytest.mark.parametrize("dialect", main.dialects(), ids=lambda dialect: dialect.name)
def test_without_a_token_every_other_route_says_401(api, dialect):
    for route in dialect.routes:
        if not route.open:
            path = dialect.prefixes[0] + "/".join(
                "x" if segment.startswith("{") else segment for segment in route.path.split("/")
            )
            answer = api._http.request(route.method, path.replace("{project_id}", "x"))
            assert answer.status_code == 401, f"{route.method} {path}"

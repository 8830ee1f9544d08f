"""All routes of the identity API."""

from volutus.http.kernel import Route
from volutus.http.openstack.identity import auth, discovery

_DISCOVERY = (
    Route("GET", "", discovery.versions, open=True),
    Route("GET", "/v3", discovery.version, open=True),
)
# A sign-in runs outside a transaction: no connection waits in one while a password is hashed, and counts of
# failures stay although the request fails.
_AUTH = (
    Route("POST", "/v3/auth/tokens", auth.issue, open=True, writes=False),
    Route("GET", "/v3/auth/tokens", auth.show, "identity:tokens:show"),
    Route("HEAD", "/v3/auth/tokens", auth.check, "identity:tokens:show"),
    Route("DELETE", "/v3/auth/tokens", auth.revoke, "identity:tokens:revoke"),
    Route("GET", "/v3/auth/catalog", auth.show_catalog, "identity:catalog:show"),
)

ROUTES = _DISCOVERY + _AUTH

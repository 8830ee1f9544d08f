"""The cloud's public API as the operator's commands use it: signed in like any other client.

Who one is comes from `OS_AUTH_URL`, `OS_USERNAME` … as for other clients; without them, on the cloud's own
machine, from the users made at set-up.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from volutus.errors import Unauthenticated, Unavailable
from volutus.settings import Settings
from volutus.setup import clouds, keys

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 30.0
DOMAIN = "Default"
JSON_PATCH = "application/openstack-images-v2.1-json-patch"


class PublicApi:
    """Calls with one token. `catalog` is that of the token."""

    def __init__(self, http: "httpx.Client", token: str, catalog: list[dict[str, Any]]) -> None:
        self._http = http
        self._token = token
        self._catalog = catalog

    def endpoint(self, kind: str) -> str:
        """Where the service of this type is. Raises Unavailable where the catalog has none."""
        for service in self._catalog:
            if service["type"] == kind:
                return str(service["endpoints"][0]["url"]).rstrip("/")
        raise Unavailable(f"The cloud's catalog has no {kind} service.")

    def call(self, method: str, kind: str, path: str, body: Any = None, **query: str) -> "httpx.Response":
        """One request to the service of a type, whatever its answer. A list as body is a JSON patch."""
        url = f"{self.endpoint(kind)}{path}"
        headers = {"X-Auth-Token": self._token}
        if isinstance(body, list):
            headers["Content-Type"] = JSON_PATCH
        return self._http.request(method, url, params=query or None, json=body, headers=headers)


@contextmanager
def signed_in(settings: Settings) -> Iterator[PublicApi]:
    """The API, as whoever the environment names. Raises Unauthenticated, and Unavailable where the cloud
    does not answer."""
    # Other commands of the same parser run before there is an environment that has it.
    import httpx

    auth_url, user, password, project = _identity(settings)
    with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as http:
        try:
            answer = http.post(f"{auth_url}/auth/tokens", json=_proof(user, password, project))
            if "X-Subject-Token" not in answer.headers:
                raise Unauthenticated(f"{auth_url} does not know {user} with this password and project.")
            yield PublicApi(http, answer.headers["X-Subject-Token"], answer.json()["token"]["catalog"])
        except httpx.HTTPError as error:
            raise Unavailable(f"The cloud at {auth_url} does not answer: {error}") from error


def _identity(settings: Settings) -> tuple[str, str, str, str]:
    """Where to sign in, and user, password and project."""
    if "OS_AUTH_URL" in os.environ:
        names = ("OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME")
        missing = [name for name in names if not os.environ.get(name)]
        if missing:
            raise Unauthenticated(f"OS_AUTH_URL is set, but {', '.join(missing)} is not.")
        user, password, project = (os.environ[name] for name in names)
        return os.environ["OS_AUTH_URL"].rstrip("/"), user, password, project
    user, project = clouds.user_of(os.environ.get("OS_CLOUD", clouds.ADMINISTRATOR))
    return f"{settings.url}/identity/v3", user, keys.password(settings, user), project


def _proof(user: str, password: str, project: str) -> dict[str, Any]:
    domain = {"name": os.environ.get("OS_USER_DOMAIN_NAME", DOMAIN)}
    who = {"name": user, "password": password, "domain": domain}
    place = {"name": project, "domain": {"name": os.environ.get("OS_PROJECT_DOMAIN_NAME", DOMAIN)}}
    identity = {"methods": ["password"], "password": {"user": who}}
    return {"auth": {"identity": identity, "scope": {"project": place}}}

"""`volutus trace PORT --to ADDRESS`: where a packet of a port would go, and what drops it.

A client like any other: it signs in at the public API and asks. Who one is comes from `OS_AUTH_URL`,
`OS_USERNAME` … as for other clients; without them, on the cloud's own machine, from the users made at set-up.
"""

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from volutus.errors import Unauthenticated, Unavailable
from volutus.settings import Settings, current
from volutus.setup import clouds, keys

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 30.0
DOMAIN = "Default"


def trace(arguments: argparse.Namespace) -> int:
    """Print the trace; 0 when the packet arrives somewhere, 1 when it is dropped."""
    # Other commands of the same parser run before there is an environment that has it.
    import httpx

    asked = {"to": arguments.to, "protocol": arguments.protocol, "port": arguments.port}
    query = {name: str(value) for name, value in asked.items() if value is not None}
    auth_url, who = _identity(current(arguments.state_dir))
    with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
        try:
            token, network = _sign_in(client, auth_url, who)
            path = f"{network}/v2.0/ports/{quote(arguments.port_id, safe='')}/trace"
            answer = client.get(path, params=query, headers={"X-Auth-Token": token})
        except httpx.HTTPError as error:
            raise Unavailable(f"The cloud at {auth_url} does not answer: {error}") from error
    document = answer.json()
    if "trace" not in document:
        problem: dict[str, Any] = next(iter(document.values()), {})
        sys.stderr.write(f"{problem.get('message', answer.text)}\n")
        return 2
    return _show(document["trace"])


def _identity(settings: Settings) -> tuple[str, dict[str, str]]:
    """Where to sign in, and user, password and project."""
    if "OS_AUTH_URL" in os.environ:
        names = ("OS_USERNAME", "OS_PASSWORD", "OS_PROJECT_NAME")
        missing = [name for name in names if not os.environ.get(name)]
        if missing:
            raise Unauthenticated(f"OS_AUTH_URL is set, but {', '.join(missing)} is not.")
        user, password, project = (os.environ[name] for name in names)
        return os.environ["OS_AUTH_URL"].rstrip("/"), _who(user, password, project)
    user, project = clouds.user_of(os.environ.get("OS_CLOUD", clouds.ADMINISTRATOR))
    return f"{settings.url}/identity/v3", _who(user, keys.password(settings, user), project)


def _who(user: str, password: str, project: str) -> dict[str, str]:
    return {"user": user, "password": password, "project": project}


def _sign_in(client: "httpx.Client", auth_url: str, who: dict[str, str]) -> tuple[str, str]:
    """A token, and where the network service is."""
    domain = {"name": os.environ.get("OS_USER_DOMAIN_NAME", DOMAIN)}
    user = {"name": who["user"], "password": who["password"], "domain": domain}
    project = {"name": who["project"], "domain": {"name": os.environ.get("OS_PROJECT_DOMAIN_NAME", DOMAIN)}}
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": {"project": project}}}
    answer = client.post(f"{auth_url}/auth/tokens", json=body)
    if "X-Subject-Token" not in answer.headers:
        raise Unauthenticated(f"{auth_url} does not know {who['user']} with this password and project.")
    catalog: list[dict[str, Any]] = answer.json()["token"]["catalog"]
    for service in catalog:
        if service["type"] == "network":
            return answer.headers["X-Subject-Token"], str(service["endpoints"][0]["url"]).rstrip("/")
    raise Unavailable("The cloud's catalog has no network service.")


def _show(found: dict[str, Any]) -> int:
    sys.stdout.write(f"{found['verdict']}: {found['reason']}\n\n")
    for number, step in enumerate(found["steps"], start=1):
        name = " ".join(word for word in (step["id"], f"({step['name']})" if step["name"] else "") if word)
        sys.stdout.write(f"  {number:>2}  {step['kind'].replace('_', ' ')} {name}: {step['text']}\n")
    for note in found["notes"]:
        sys.stdout.write(f"\nNote: {note}\n")
    return 1 if found["verdict"] == "dropped" else 0

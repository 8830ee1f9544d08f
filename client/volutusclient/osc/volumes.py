"""The volume service, for what the stock client has no commands for."""

from typing import Any
from urllib.parse import quote
from uuid import UUID

from osc_lib import exceptions


def ask(manager: Any, method: str, path: str, body: Any = None) -> Any:
    """The answer of the volume service. A refusal is raised in its own words."""
    where = {"service_type": "block-storage", "region_name": manager.region_name}
    where["interface"] = manager.interface
    headers = {"OpenStack-API-Version": "volume 3.60"}
    answer = manager.session.request(
        path, method, json=body, headers=headers, endpoint_filter=where, raise_exc=False
    )
    if answer.status_code >= 400:
        raise exceptions.CommandError(_words(answer))
    return answer.json() if answer.content else None


def volume_id(manager: Any, name: str) -> str:
    """The id of a volume that is named so; else what was given is one, if it looks like one."""
    found = ask(manager, "GET", f"/volumes?name={quote(name, safe='')}")["volumes"]
    if len(found) > 1:
        raise exceptions.CommandError(f"More than one volume is named {name}: say its id.")
    if not found and not _looks_like_id(name):
        raise exceptions.CommandError(f"No volume has the name or the id {name}.")
    return str(found[0]["id"]) if found else name


def _looks_like_id(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True


def _words(answer: Any) -> str:
    try:
        (told,) = answer.json().values()
        return f"{told['message']} (HTTP {answer.status_code})"
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"

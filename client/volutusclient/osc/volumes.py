"""The volume service, for what the stock client has no commands for."""

from typing import Any

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
    """The id of a volume that is named so; else what was given is one."""
    found = ask(manager, "GET", f"/volumes?name={name}")["volumes"]
    if len(found) > 1:
        raise exceptions.CommandError(f"More than one volume is named {name}.")
    return str(found[0]["id"]) if found else name


def _words(answer: Any) -> str:
    try:
        (told,) = answer.json().values()
        return f"{told['message']} (HTTP {answer.status_code})"
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code}"

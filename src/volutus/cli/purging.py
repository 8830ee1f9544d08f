"""`volutus project purge`: remove a project with all that it has in all services, and say what that was.

A client of the public API like any other, so that whatever the APIs would refuse or must wait for is refused
and waited for here too. What is left when it stops is removed by the next run.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from volutus.cli.public_api import PublicApi, signed_in
from volutus.errors import Conflict, NotFound
from volutus.settings import current

# Guests stop, volumes are wiped: minutes for a large project.
KIND_TIMEOUT_S = 300.0
POLL_S = 0.5
GONE = (404, 410)


@dataclass(frozen=True)
class Kind:
    """One kind of thing. `listed` is the path of its list, `items` the list's name in the answer, `owner` the
    query that narrows it to a project, `one` the path of an item. `key` is the item's field that has the
    project, where the query alone does not narrow it."""

    name: str
    service: str
    listed: str
    items: str
    one: str
    query: dict[str, str] = field(default_factory=dict)
    owner: str = "project_id"
    key: str = ""


# In the order in which they let go of each other.
KINDS = (
    Kind("server", "compute", "/servers/detail", "servers", "/servers/{id}", {"all_tenants": "1"}),
    Kind(
        "server group",
        "compute",
        "/os-server-groups",
        "server_groups",
        "/os-server-groups/{id}",
        {"all_projects": "true"},
        key="project_id",
    ),
    Kind(
        "load balancer",
        "load-balancer",
        "/v2.0/lbaas/loadbalancers",
        "loadbalancers",
        "/v2.0/lbaas/loadbalancers/{id}?cascade=true",
    ),
    Kind("volume export", "block-storage", "/exports", "exports", "/exports/{id}", {"all_tenants": "1"}),
    Kind(
        "volume snapshot",
        "block-storage",
        "/snapshots/detail",
        "snapshots",
        "/snapshots/{id}",
        {"all_tenants": "1"},
    ),
    Kind(
        "volume",
        "block-storage",
        "/volumes/detail",
        "volumes",
        "/volumes/{id}?cascade=true",
        {"all_tenants": "1"},
    ),
    Kind("floating IP", "network", "/v2.0/floatingips", "floatingips", "/v2.0/floatingips/{id}"),
    Kind("router", "network", "/v2.0/routers", "routers", "/v2.0/routers/{id}"),
    Kind("port", "network", "/v2.0/ports", "ports", "/v2.0/ports/{id}"),
    Kind("network", "network", "/v2.0/networks", "networks", "/v2.0/networks/{id}"),
    Kind("subnet pool", "network", "/v2.0/subnetpools", "subnetpools", "/v2.0/subnetpools/{id}"),
    Kind(
        "security group", "network", "/v2.0/security-groups", "security_groups", "/v2.0/security-groups/{id}"
    ),
    Kind(
        "image",
        "image",
        "/v2/images",
        "images",
        "/v2/images/{id}",
        {"visibility": "all", "os_hidden": "false"},
        owner="owner",
    ),
    Kind(
        "hidden image",
        "image",
        "/v2/images",
        "images",
        "/v2/images/{id}",
        {"visibility": "all", "os_hidden": "true"},
        owner="owner",
    ),
)


def purge(arguments: argparse.Namespace) -> int:
    """Remove the project named, by id or name, with all it has; `--dry-run` only says what that is."""
    with signed_in(current(arguments.state_dir)) as api:
        project = _project(api, arguments.project)
        sys.stdout.write(f"project {project['name']} ({project['id']})\n")
        found = [(kind, item) for kind in KINDS for item in _items(api, kind, project["id"])]
        if arguments.dry_run:
            for kind, item in found:
                sys.stdout.write(f"  would remove {_named(kind, item)}\n")
            return 0
        if not arguments.yes and not _agreed(len(found), project["name"]):
            return 1
        removed = sum(_remove_all(api, kind, project["id"]) for kind in KINDS)
        _require(api.call("DELETE", "identity", f"/v3/projects/{project['id']}"), "the project")
    sys.stdout.write(f"Removed the project and {removed} things it had.\n")
    return 0


def _project(api: PublicApi, asked: str) -> dict[str, Any]:
    answer = api.call("GET", "identity", f"/v3/projects/{asked}")
    if answer.is_success:
        return dict(answer.json()["project"])
    found = api.call("GET", "identity", "/v3/projects", name=asked).json().get("projects", [])
    if not found:
        raise NotFound(f"There is no project {asked}.")
    if len(found) > 1:
        raise Conflict(f"Several domains have a project {asked}: give its id.")
    return dict(found[0])


def _items(api: PublicApi, kind: Kind, project_id: str) -> Iterator[dict[str, Any]]:
    """What a project has of a kind. Ports that routers and load balancers made go with these."""
    answer = api.call("GET", kind.service, kind.listed, **kind.query, **{kind.owner: project_id})
    _require(answer, f"the list of {kind.name}s")
    for item in answer.json()[kind.items]:
        if kind.key and item.get(kind.key) != project_id:
            continue
        if kind.name == "port" and item["device_owner"].startswith("network:"):
            continue
        yield item


def _remove_all(api: PublicApi, kind: Kind, project_id: str) -> int:
    """Remove what there is of a kind and wait until it is gone; how many that were. Raises Conflict for what
    does not go."""
    gone: set[str] = set()
    asked: set[str] = set()
    deadline = time.monotonic() + KIND_TIMEOUT_S
    while items := list(_items(api, kind, project_id)):
        refused = ""
        for item in items:
            if item["id"] not in asked:
                problem = _remove(api, kind, item)
                refused = refused or problem
                if not problem:
                    asked.add(item["id"])
                    sys.stdout.write(f"  {_named(kind, item)}\n")
                    gone.add(item["id"])
        if time.monotonic() > deadline:
            raise Conflict(f"{_named(kind, items[0])} does not go: {refused or 'it takes too long'}.")
        time.sleep(POLL_S)
    return len(gone)


def _remove(api: PublicApi, kind: Kind, item: dict[str, Any]) -> str:
    """Order the end of one thing; why not, where it is refused for now."""
    if kind.name == "router":
        _empty_router(api, item["id"])
    if kind.service == "image" and item.get("protected"):
        _unprotect(api, item["id"])
    answer = api.call("DELETE", kind.service, kind.one.format(id=item["id"]))
    if answer.is_success or answer.status_code in GONE:
        return ""
    return str(answer.text)[:300]


def _empty_router(api: PublicApi, router_id: str) -> None:
    ports = api.call("GET", "network", "/v2.0/ports", device_id=router_id).json()["ports"]
    for port in ports:
        if port["device_owner"] == "network:router_interface":
            path = f"/v2.0/routers/{router_id}/remove_router_interface"
            api.call("PUT", "network", path, {"port_id": port["id"]})


def _unprotect(api: PublicApi, image_id: str) -> None:
    change = [{"op": "replace", "path": "/protected", "value": False}]
    api.call("PATCH", "image", f"/v2/images/{image_id}", change)


def _require(answer: Any, what: str) -> None:
    if not answer.is_success:
        raise Conflict(f"The cloud refused {what}: {answer.text[:300]}")


def _named(kind: Kind, item: dict[str, Any]) -> str:
    name = item.get("name") or item.get("floating_ip_address") or ""
    return " ".join(part for part in (kind.name, str(name), f"({item['id']})") if part)


def _agreed(count: int, name: str) -> bool:
    sys.stdout.write(f"Remove it and the {count} things it has, for good? Type its name: ")
    sys.stdout.flush()
    return sys.stdin.readline().strip() == name

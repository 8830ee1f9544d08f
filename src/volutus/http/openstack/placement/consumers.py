"""What consumers have: `/allocations`, `/usages`, and what they could have: `/allocation_candidates`."""

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from volutus import placement
from volutus.errors import Invalid
from volutus.http.kernel import HttpProblem, Request, Version, document
from volutus.http.openstack.placement import resources
from volutus.placement import Host
from volutus.placement.hosts import HostQuery

CANDIDATES = Version(1, 10)
AS_OBJECT = Version(1, 12)
WITH_TRAITS = Version(1, 17)
GENERATIONS = Version(1, 28)
NESTED = Version(1, 29)
MAPPINGS = Version(1, 34)
TYPES = Version(1, 38)
# Claims do not say what their consumer is.
CONSUMER_TYPE = "unknown"


def allocations(request: Request) -> Response:
    """`GET /allocations/CONSUMER`: empty for one that has none, as Placement has it."""
    claim = placement.claim_of(request.tx, request.params["consumer_id"])
    if claim is None:
        return document({"allocations": {}})
    host = placement.hosts.get(request.tx, claim.host_id)
    entry = {"resources": resources.claimed(claim), "generation": host.generation}
    body: dict[str, Any] = {"allocations": {host.id: entry}}
    if request.microversion >= AS_OBJECT:
        body.update(project_id=claim.project_id, user_id=claim.user_id)
    if request.microversion >= GENERATIONS:
        # A claim is made and given back whole: it never has a second generation.
        body["consumer_generation"] = 1
    if request.microversion >= TYPES:
        body["consumer_type"] = CONSUMER_TYPE
    return document(body)


def usages(request: Request) -> Response:
    """`GET /usages?project_id=&user_id=`, since 1.9."""
    _since(request, Version(1, 9))
    project_id = request.query.get("project_id")
    if not project_id:
        raise Invalid("Badly formed querystring parameters: 'project_id' is a required property")
    totals = placement.totals(request.tx, project_id, request.query.get("user_id"))
    found: dict[str, Any] = resources.claimed(totals)
    if request.microversion >= TYPES:
        found = {CONSUMER_TYPE: {**found, "consumer_count": totals.consumers}} if found else {}
    return document({"usages": found})


def candidates(request: Request) -> Response:
    """`GET /allocation_candidates?resources=`, since 1.10: hosts that have so much free."""
    _since(request, CANDIDATES)
    amounts = resources.wanted(request, required=True)
    limit = _limit(request)
    wanted = HostQuery(free=resources.free(request), usable=True)
    if limit is not None and "required" not in request.query:
        wanted = replace(wanted, limit=min(limit, wanted.limit))
    hosts = placement.hosts.search(request.tx, wanted)
    fitting = [host for host in hosts if resources.has_traits(request, host)][:limit]
    return document(
        {
            "allocation_requests": [_request(request, host, amounts) for host in fitting],
            "provider_summaries": {host.id: _summary(request, host, amounts) for host in fitting},
        }
    )


def _request(request: Request, host: Host, amounts: dict[str, int]) -> dict[str, Any]:
    if request.microversion < AS_OBJECT:
        return {"allocations": [{"resource_provider": {"uuid": host.id}, "resources": amounts}]}
    body: dict[str, Any] = {"allocations": {host.id: {"resources": amounts}}}
    if request.microversion >= MAPPINGS:
        body["mappings"] = {"": [host.id]}
    return body


def _summary(request: Request, host: Host, amounts: dict[str, int]) -> dict[str, Any]:
    # Before 1.27 only what was asked for is told of.
    names = resources.COLUMNS if request.microversion >= Version(1, 27) else amounts
    taken = resources.used(host)
    told = {name: {"capacity": getattr(host, resources.COLUMNS[name]), "used": taken[name]} for name in names}
    body: dict[str, Any] = {"resources": told}
    if request.microversion >= WITH_TRAITS:
        body["traits"] = resources.traits(host)
    if request.microversion >= NESTED:
        body.update(parent_provider_uuid=None, root_provider_uuid=host.id)
    return body


def _limit(request: Request) -> int | None:
    text = request.query.get("limit")
    if text is None or request.microversion < Version(1, 16):
        return None
    if not text.isdigit() or int(text) < 1:
        raise Invalid("Badly formed querystring parameters: limit must be a number from 1")
    return int(text)


def _since(request: Request, version: Version) -> None:
    if request.microversion < version:
        raise HttpProblem(404, "The resource could not be found.")

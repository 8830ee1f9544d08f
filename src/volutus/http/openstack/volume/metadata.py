"""Metadata of volumes and snapshots: the same five operations below both."""

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from volutus.errors import Invalid
from volutus.http.kernel import Request, decode, document, empty
from volutus.http.openstack.volume.bodies import pairs
from volutus.volume import metadata
from volutus.volume.faults import KeyNotFound
from volutus.volume.metadata import Notes

Handler = Callable[[Request], Response]


def list_(notes: Notes) -> Handler:
    """`GET …/metadata`."""

    def handler(request: Request) -> Response:
        found = metadata.items(request.tx, request.caller, notes, _object(request))
        return document({"metadata": found})

    return handler


def set_(notes: Notes, *, replace: bool) -> Handler:
    """`POST …/metadata` adds, `PUT …/metadata` replaces."""

    def handler(request: Request) -> Response:
        given = pairs(decode(request.body, dict[str, Any]).get("metadata"))
        merged = metadata.set_(request.tx, request.caller, notes, _object(request), given, replace=replace)
        return document({"metadata": merged})

    return handler


def show(notes: Notes) -> Handler:
    """`GET …/metadata/KEY`."""

    def handler(request: Request) -> Response:
        key = request.params["key"]
        found = metadata.items(request.tx, request.caller, notes, _object(request))
        if key not in found:
            raise KeyNotFound(f"Metadata item {key} was not found.")
        return document({"meta": {key: found[key]}})

    return handler


def set_one(notes: Notes) -> Handler:
    """`PUT …/metadata/KEY`."""

    def handler(request: Request) -> Response:
        given = pairs(decode(request.body, dict[str, Any]).get("meta"), "meta")
        if list(given) != [request.params["key"]]:
            raise Invalid("Request body and URI mismatch", field="meta")
        metadata.set_(request.tx, request.caller, notes, _object(request), given)
        return document({"meta": given})

    return handler


def delete(notes: Notes) -> Handler:
    """`DELETE …/metadata/KEY`."""

    def handler(request: Request) -> Response:
        metadata.remove(request.tx, request.caller, notes, _object(request), request.params["key"])
        return empty(200)

    return handler


def _object(request: Request) -> str:
    return request.params.get("volume_id") or request.params["snapshot_id"]

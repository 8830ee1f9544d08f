"""Definitions as Glance's documents."""

from collections.abc import Sequence
from typing import Any

from volutus.http.openstack.image.views import moment
from volutus.image.definitions import Association, Definition, Namespace, ResourceType

ROOT = "/v2/metadefs/namespaces"


def namespace(shown: Namespace, associations: Sequence[Association]) -> dict[str, Any]:
    """One namespace, without its content."""
    return {
        "namespace": shown.name,
        "display_name": shown.display_name,
        "description": shown.description,
        "visibility": shown.visibility,
        "protected": shown.protected,
        "owner": shown.owner,
        "resource_type_associations": [association(one, timed=False) for one in associations],
        "created_at": moment(shown.created_at),
        "updated_at": moment(shown.updated_at),
        "self": f"{ROOT}/{shown.name}",
        "schema": "/v2/schemas/metadefs/namespace",
    }


def association(shown: Association, *, timed: bool = True) -> dict[str, Any]:
    """A type that a namespace is for."""
    document: dict[str, Any] = {"name": shown.name}
    for field in ("prefix", "properties_target"):
        if getattr(shown, field) is not None:
            document[field] = getattr(shown, field)
    if timed and shown.created_at is not None:
        document |= {"created_at": moment(shown.created_at), "updated_at": moment(shown.created_at)}
    return document


def resource_type(shown: ResourceType) -> dict[str, Any]:
    """A type that there is."""
    return {
        "name": shown.name,
        "created_at": moment(shown.created_at),
        "updated_at": moment(shown.created_at),
    }


def definition(of: str, kind: str, shown: Definition) -> dict[str, Any]:
    """One object, property or tag of a namespace."""
    if kind == "property":
        return {**shown.content, "name": shown.name}
    times = {"created_at": moment(shown.created_at), "updated_at": moment(shown.updated_at)}
    if kind == "tag":
        return {"name": shown.name, **times}
    return {
        "description": None,
        "required": [],
        "properties": {},
        **shown.content,
        "name": shown.name,
        **times,
        "self": f"{ROOT}/{of}/objects/{shown.name}",
        "schema": "/v2/schemas/metadefs/object",
    }


def listed(of: str, kind: str, shown: Sequence[Definition]) -> Any:
    """Several of a kind: properties as an object by name, the others as an array."""
    if kind == "property":
        return {one.name: dict(one.content) for one in shown}
    return [definition(of, kind, one) for one in shown]

"""JSON schemas of metadata definitions, which clients fetch to know the fields."""

from typing import Any

_NAME = {"type": "string", "maxLength": 80}
_TEXT = {"type": "string"}
_MOMENT = {"type": "string", "readOnly": True, "format": "date-time"}
_LINK = {"type": "string", "readOnly": True}
_COUNT = {"type": "integer", "minimum": 0}
_TEXTS = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
_TYPES = ["array", "boolean", "integer", "number", "object", "string"]
_STANDARD: dict[str, Any] = {"created_at": _MOMENT, "updated_at": _MOMENT, "self": _LINK, "schema": _TEXT}

_PROPERTY: dict[str, Any] = {
    "name": _NAME,
    "title": _TEXT,
    "description": _TEXT,
    "type": {"type": "string", "enum": _TYPES},
    "operators": {"type": "array", "items": {"type": "string"}},
    "default": {},
    "enum": {"type": "array"},
    "items": {"type": "object", "properties": {"type": {"type": "string"}, "enum": {"type": "array"}}},
    "minimum": {"type": "number"},
    "maximum": {"type": "number"},
    "pattern": {"type": "string", "format": "regex"},
    "minLength": _COUNT,
    "maxLength": _COUNT,
    "minItems": _COUNT,
    "maxItems": _COUNT,
    "uniqueItems": {"type": "boolean", "default": False},
    "additionalItems": {"type": "boolean"},
    "readonly": {"type": "boolean"},
    "confidential": {"type": "boolean"},
    "required": _TEXTS,
}
_BY_NAME = {
    "type": "object",
    "additionalProperties": {"type": "object", "required": ["title", "type"], "properties": _PROPERTY},
}
_OBJECT: dict[str, Any] = {
    "name": _NAME,
    "description": _TEXT,
    "required": _TEXTS,
    "properties": _BY_NAME,
    **_STANDARD,
}
_TAG: dict[str, Any] = {"name": _NAME, "created_at": _MOMENT, "updated_at": _MOMENT}
_ASSOCIATION: dict[str, Any] = {
    "name": _NAME,
    "prefix": _NAME,
    "properties_target": _NAME,
    "created_at": _MOMENT,
    "updated_at": _MOMENT,
}
_NAMESPACE: dict[str, Any] = {
    "namespace": _NAME,
    "display_name": _NAME,
    "description": {"type": "string", "maxLength": 500},
    "visibility": {"type": "string", "enum": ["public", "private"]},
    "protected": {"type": "boolean"},
    "owner": {"type": "string", "maxLength": 255},
    "resource_type_associations": {"type": "array", "items": {"type": "object", "properties": _ASSOCIATION}},
    "objects": {"type": "array", "items": {"type": "object", "properties": _OBJECT}},
    "properties": _BY_NAME,
    "tags": {"type": "array", "items": {"type": "object", "properties": _TAG}},
    **_STANDARD,
}


def _one(name: str, properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "name": name,
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _several(name: str, key: str, items: dict[str, Any]) -> dict[str, Any]:
    shape = {"type": "array", "items": items}
    links = {"first": _TEXT, "next": _TEXT, "schema": _TEXT}
    return {
        "name": name,
        "properties": {key: shape, **links},
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


_SINGLE = {
    "namespace": _one("namespace", _NAMESPACE, "namespace"),
    "object": _one("object", _OBJECT, "name"),
    "property": _one("property", _PROPERTY, "name", "title", "type"),
    "tag": _one("tag", _TAG, "name"),
    "resource_type": _one("resource_type_association", _ASSOCIATION, "name"),
}

DEFINITION_SCHEMAS: dict[str, dict[str, Any]] = {
    **_SINGLE,
    "namespaces": _several("namespaces", "namespaces", _SINGLE["namespace"]),
    "objects": _several("objects", "objects", _SINGLE["object"]),
    "tags": _several("tags", "tags", _SINGLE["tag"]),
    "resource_types": _several(
        "resource_type_associations", "resource_type_associations", _SINGLE["resource_type"]
    ),
    "properties": {"name": "properties", "properties": {"properties": _BY_NAME}},
}

"""From Glance's field names and JSON patches to the domain's `ImageFields`.

The tenant's own properties lie among Glance's fields in one object: whatever is not Glance's is a property.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from volutus.errors import Conflict, Invalid
from volutus.http.kernel import HttpProblem, decode
from volutus.image import ImageFields
from volutus.image.faults import NotAllowed

# Wire name: field of the domain, type.
_FIELDS: Mapping[str, tuple[str, Any]] = {
    "name": ("name", str | None),
    "visibility": ("visibility", str),
    "protected": ("protected", bool),
    "os_hidden": ("hidden", bool),
    "owner": ("owner", str | None),
    "disk_format": ("disk_format", str | None),
    "container_format": ("container_format", str | None),
    "min_disk": ("min_disk_gib", int),
    "min_ram": ("min_ram_mib", int),
    "tags": ("tags", tuple[str, ...]),
}
_READ_ONLY = frozenset(
    {
        *("id", "status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value"),
        *("created_at", "updated_at", "self", "file", "schema", "direct_url", "locations", "stores"),
    }
)
_RESERVED = frozenset({"location", "deleted", "deleted_at", "is_public"})
_RESERVED_PREFIX = "os_glance_"
# Named in Glance's schema: null stands for "none".
_NULLABLE = frozenset({"kernel_id", "ramdisk_id"})
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PATCH_TYPE = re.compile(r"application/openstack-images-v2\.([01])-json-patch")
_OPERATIONS = ("add", "replace", "remove")
# A patch is applied one operation at a time.
OPERATIONS_MAX = 300


@dataclasses.dataclass(frozen=True)
class Operation:
    """One step of a patch: `name` is the field or property."""

    verb: str
    name: str
    value: Any = None


def parse_new(body: bytes) -> tuple[ImageFields, str | None]:
    """The body of a create: the fields, and the id if one is wished."""
    return parse_fields(decode(body, dict[str, Any]))


def parse_fields(values: dict[str, Any]) -> tuple[ImageFields, str | None]:
    """The same of a body that is read already."""
    wished = values.pop("id", None)
    if wished is not None and not isinstance(wished, str):
        raise Invalid("id must be a string.", field="id")
    fields = ImageFields()
    for name, value in values.items():
        fields = _set(fields, name, value)
    return fields, wished


def parse_patch(body: bytes, content_type: str) -> list[Operation]:
    """The operations of a patch in the syntax of 2.1 (`op`, `path`) or 2.0 (`{"replace": "/name"}`)."""
    match = _PATCH_TYPE.fullmatch(content_type.split(";")[0].strip().lower())
    if match is None:
        accepted = "application/openstack-images-v2.1-json-patch"
        raise HttpProblem(415, f"The content type of a patch is {accepted}.", {"Accept-Patch": accepted})
    steps = decode(body, list[dict[str, Any]])
    if len(steps) > OPERATIONS_MAX:
        raise Invalid(f"A patch has at most {OPERATIONS_MAX} operations.")
    return [_operation(step, modern=match[1] == "1") for step in steps]


def apply(operations: list[Operation], fields: ImageFields) -> ImageFields:
    """The fields after the patch."""
    for operation in operations:
        if operation.verb == "remove":
            fields = _remove(fields, operation.name)
        else:
            if operation.verb == "replace":
                _require_present(fields, operation.name)
            fields = _set(fields, operation.name, operation.value)
    return fields


def _operation(step: dict[str, Any], *, modern: bool) -> Operation:
    if modern:
        verb, path = step.get("op"), step.get("path")
    else:
        named = [verb for verb in _OPERATIONS if verb in step]
        if len(named) != 1:
            raise Invalid("Operation objects must contain exactly one member named add, remove or replace.")
        verb, path = named[0], step[named[0]]
    if verb not in _OPERATIONS:
        raise Invalid(f"Unable to find one of {', '.join(_OPERATIONS)} in a patch operation.")
    if not isinstance(path, str) or not path.startswith("/") or path.endswith("/"):
        raise Invalid(f"Invalid JSON pointer for this resource: {path!r}")
    if verb != "remove" and "value" not in step:
        raise Invalid(f"Operation {verb!r} requires a member named 'value'.")
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    if parts[0] == "locations":
        raise NotAllowed("It's not allowed to add, replace or remove locations.", field="locations")
    if len(parts) != 1:
        raise Invalid(f"Invalid JSON pointer for this resource: {path!r}")
    return Operation(verb, parts[0], step.get("value"))


def _set(fields: ImageFields, name: str, value: Any) -> ImageFields:
    _require_settable(name)
    if name in _FIELDS:
        field, kind = _FIELDS[name]
        try:
            return dataclasses.replace(fields, **{field: msgspec.convert(value, kind, strict=True)})
        except msgspec.ValidationError as error:
            raise Invalid(f"Invalid input for {name}: {error}", field=name) from error
    if value is None and name in _NULLABLE:
        return _without(fields, name)
    if not isinstance(value, str):
        raise Invalid(f"Invalid input for {name}: the value of a property is a string.", field=name)
    if name in _NULLABLE and not _UUID.fullmatch(value):
        raise Invalid(f"Invalid input for {name}: it is the id of an image.", field=name)
    return dataclasses.replace(fields, properties={**fields.properties, name: value})


def _remove(fields: ImageFields, name: str) -> ImageFields:
    _require_settable(name)
    if name in _FIELDS:
        raise NotAllowed(f"Property {name} may not be removed.", field=name)
    if name not in fields.properties:
        raise Conflict(f"Property {name} does not exist.")
    return _without(fields, name)


def _without(fields: ImageFields, name: str) -> ImageFields:
    kept = {key: value for key, value in fields.properties.items() if key != name}
    return dataclasses.replace(fields, properties=kept)


def _require_present(fields: ImageFields, name: str) -> None:
    if name not in _FIELDS and name not in _READ_ONLY and name not in fields.properties:
        raise Conflict(f"Property {name} does not exist.")


def _require_settable(name: str) -> None:
    if name in _READ_ONLY:
        raise NotAllowed(f"Attribute '{name}' is read-only.", field=name)
    if name in _RESERVED or name.startswith(_RESERVED_PREFIX):
        raise NotAllowed(f"Attribute '{name}' is reserved.", field=name)

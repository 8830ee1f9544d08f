"""What is sent to define metadata. Where Glance's schemas leave a field open, so does this."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from volutus.errors import Invalid
from volutus.http.kernel.bodies import convert_strictly
from volutus.image.definitions import Association, NamespaceFields

# A definition has names and texts, not documents.
_Many = Annotated[list[Any], msgspec.Meta(max_length=500)]
_Size = Annotated[int, msgspec.Meta(ge=0)]
_Type = Literal["array", "boolean", "integer", "number", "object", "string"]


class PropertyContent(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """What values a property may have."""

    title: str
    type: _Type
    description: str | UnsetType = UNSET
    operators: list[str] | UnsetType = UNSET
    default: Any = UNSET
    enum: _Many | UnsetType = UNSET
    items: dict[str, Any] | UnsetType = UNSET
    minimum: int | float | UnsetType = UNSET
    maximum: int | float | UnsetType = UNSET
    pattern: str | UnsetType = UNSET
    min_length: _Size | UnsetType = UNSET
    max_length: _Size | UnsetType = UNSET
    min_items: _Size | UnsetType = UNSET
    max_items: _Size | UnsetType = UNSET
    unique_items: bool | UnsetType = UNSET
    additional_items: bool | UnsetType = UNSET
    readonly: bool | UnsetType = UNSET
    confidential: bool | UnsetType = UNSET
    required: list[str] | UnsetType = UNSET


class ObjectContent(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Properties that go together."""

    description: str | UnsetType = UNSET
    required: list[str] | UnsetType = UNSET
    properties: dict[str, PropertyContent] | UnsetType = UNSET


class TagContent(msgspec.Struct, forbid_unknown_fields=True):
    """A tag has a name and no more."""


_SHAPES: dict[str, Any] = {"object": ObjectContent, "property": PropertyContent, "tag": TagContent}
# What clients send back of what they were shown.
_SHOWN = ("self", "schema", "created_at", "updated_at")


class NewAssociation(msgspec.Struct, forbid_unknown_fields=True):
    """A type of resource that a namespace is for."""

    name: str
    prefix: str | None = None
    properties_target: str | None = None
    created_at: str | None = None
    updated_at: str | None = None

    def parsed(self) -> Association:
        """As the domain has it."""
        return Association(self.name, self.prefix, self.properties_target)


class NewTags(msgspec.Struct, forbid_unknown_fields=True):
    """Several tags at once."""

    tags: list[dict[str, Any]]


class NewNamespace(msgspec.Struct, forbid_unknown_fields=True, rename={"schema_": "schema", "self_": "self"}):
    """A namespace, with its content if it comes at once."""

    namespace: str
    display_name: str | None = None
    description: str | None = None
    visibility: str = "private"
    protected: bool = False
    owner: str | None = None
    resource_type_associations: list[NewAssociation] = []
    objects: list[dict[str, Any]] = []
    properties: dict[str, dict[str, Any]] = {}
    tags: list[dict[str, Any]] = []
    schema_: str | None = None
    self_: str | None = None
    created_at: str | None = None
    updated_at: str | None = None

    def fields(self) -> NamespaceFields:
        """What the domain calls it."""
        return NamespaceFields(
            name=self.namespace,
            owner=self.owner,
            display_name=self.display_name,
            description=self.description,
            visibility=self.visibility,
            protected=self.protected,
        )

    def content(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Kind to name to content."""
        properties = [{**values, "name": name} for name, values in self.properties.items()]
        listed = {"object": self.objects, "property": properties, "tag": self.tags}
        return {kind: by_name(kind, documents) for kind, documents in listed.items()}


def by_name(kind: str, documents: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Name to content of several documents. Raises Invalid when a name is there twice."""
    found = dict(definition(kind, document) for document in documents)
    if len(found) < len(documents):
        raise Invalid(f"A {kind} is named twice.", field="name")
    return found


def definition(kind: str, document: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name and the checked content of a document that carries both. Raises Invalid."""
    values = {name: value for name, value in document.items() if name not in _SHOWN}
    name = values.pop("name", None)
    if not isinstance(name, str):
        raise Invalid(f"A {kind} has a name, which is a string.", field="name")
    content = msgspec.to_builtins(convert_strictly(values, _SHAPES[kind], name))
    return name, content

"""Definitions: what the properties of images, volumes and flavors may be and mean, for people and user
interfaces that choose among them. Nothing in the cloud acts on them.

A namespace holds objects, properties and tags (`items`) and says which types of resources it is for
(`resource_types`).
"""

from volutus.image.definitions import items, namespaces, resource_types
from volutus.image.definitions.items import Definition
from volutus.image.definitions.namespaces import Namespace, NamespaceFields, NamespaceFilter
from volutus.image.definitions.resource_types import Association, ResourceType

__all__ = [
    "Association",
    "Definition",
    "Namespace",
    "NamespaceFields",
    "NamespaceFilter",
    "ResourceType",
    "items",
    "namespaces",
    "resource_types",
]

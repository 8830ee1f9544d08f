"""Somebody else's images. What is being uploaded is no JSON: those routes get bytes."""

from tests.api.foreign import KEY, THEM, Foreign
from volutus import image
from volutus.db import Tx
from volutus.http.kernel import Plane
from volutus.http.openstack.image.routes import ROUTES
from volutus.image import ImageFields, tasks
from volutus.image.definitions import Association, NamespaceFields, items, namespaces, resource_types

FRIENDS = "project-of-friends"


def private_image(tx: Tx, _plane: Plane | None = None) -> str:
    """An image without data, shared with one other project."""
    fields = ImageFields(name="theirs", disk_format="raw", container_format="bare", tags=("x",))
    made = image.create(tx, THEM, fields)
    image.members.add(tx, THEM, made.id, FRIENDS)
    return str(made.id)


def task_of_theirs(tx: Tx, _plane: Plane | None = None) -> str:
    """What is told of an import to an image of theirs."""
    return str(tasks.start(tx, THEM, private_image(tx), THEM.project_id, "api_image_import", {}).id)


def private_namespace(tx: Tx, _plane: Plane | None = None) -> str:
    """A namespace that only its own project sees, with one of each kind in it."""
    name = tx.ids.uuid()
    namespaces.create(tx, THEM, NamespaceFields(name))
    for kind in items.KINDS:
        items.add(tx, THEM, name, kind, {KEY: {}})
    resource_types.associate(tx, THEM, name, Association(KEY, None, None))
    return name


_NAMESPACE = "/v2/metadefs/namespaces/{namespace}"
_PROPERTY_CONTENT = {"title": "Size", "type": "integer", "minimum": 1, "enum": [1, 2]}

FOREIGN = Foreign(
    objects={
        "image_id": private_image,
        "member_id": lambda _tx, _plane: FRIENDS,
        "namespace": private_namespace,
        "task_id": task_of_theirs,
    },
    shared=frozenset({"name", "tag", "definition", "resource_type", "store"}),
    bodies={
        ("POST", "/v2/images"): {
            "name": "one",
            "min_disk": 1,
            "min_ram": 1,
            "tags": ["one"],
            "colour": "blue",
        },
        ("PATCH", "/v2/images/{image_id}"): [{"op": "replace", "path": "/name", "value": "mine"}],
        ("POST", "/v2/images/{image_id}/import"): {"method": {"name": "glance-direct"}},
        ("POST", "/v2/images/{image_id}/members"): {"member": "mine"},
        ("PUT", "/v2/images/{image_id}/members/{member_id}"): {"status": "accepted"},
        ("PUT", "/v2/images/{image_id}/file"): {"bytes": "any"},
        ("PUT", "/v2/images/{image_id}/stage"): {"bytes": "any"},
        ("POST", "/v2/tasks"): {
            "type": "import",
            "input": {
                "import_from": "https://example.org/disk.qcow2",
                "import_from_format": "qcow2",
                "image_properties": {"name": "one", "container_format": "bare"},
            },
        },
        ("POST", "/v2/metadefs/namespaces"): {
            "namespace": "one",
            "display_name": "One",
            "description": "The first.",
            "visibility": "public",
            "protected": False,
            "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "hw_"}],
            "objects": [{"name": "chip", "properties": {"size": _PROPERTY_CONTENT}}],
            "properties": {"size": _PROPERTY_CONTENT},
            "tags": [{"name": "red"}],
        },
        ("PUT", _NAMESPACE): {"namespace": "two", "visibility": "private"},
        ("POST", f"{_NAMESPACE}/resource_types"): {"name": "OS::Glance::Image", "prefix": "hw_"},
        ("POST", f"{_NAMESPACE}/objects"): {"name": "chip", "required": ["size"]},
        ("PUT", f"{_NAMESPACE}/objects/{{definition}}"): {"name": "chips", "description": "Several."},
        ("POST", f"{_NAMESPACE}/properties"): {"name": "size", **_PROPERTY_CONTENT},
        ("PUT", f"{_NAMESPACE}/properties/{{definition}}"): {"name": "length", **_PROPERTY_CONTENT},
        ("POST", f"{_NAMESPACE}/tags"): {"tags": [{"name": "red"}]},
        ("PUT", f"{_NAMESPACE}/tags/{{definition}}"): {"name": "blue"},
    },
    # Who may not define anything at all is told so before anything is looked up.
    refused=frozenset(
        (route.method, route.path) for route in ROUTES if route.permission in ("image:define", "image:cache")
    ),
    headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
)

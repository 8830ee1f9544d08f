"""Somebody else's images. What is being uploaded is no JSON: those routes get bytes."""

from tests.api.foreign import THEM, Foreign
from volutus import image
from volutus.db import Tx
from volutus.http.kernel import Plane
from volutus.image import ImageFields

FRIENDS = "project-of-friends"


def private_image(tx: Tx, _plane: Plane | None = None) -> str:
    """An image without data, shared with one other project."""
    fields = ImageFields(name="theirs", disk_format="raw", container_format="bare", tags=("x",))
    made = image.create(tx, THEM, fields)
    image.members.add(tx, THEM, made.id, FRIENDS)
    return str(made.id)


FOREIGN = Foreign(
    objects={"image_id": private_image, "member_id": lambda _tx, _plane: FRIENDS},
    shared=frozenset({"name", "tag"}),
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
    },
    headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
)

"""The projects that an image is shared with."""

import msgspec
from starlette.responses import Response

from volutus.http.kernel import Request, document, no_content
from volutus.http.openstack.image import views
from volutus.image import members


class NewMember(msgspec.Struct, forbid_unknown_fields=True):
    """The body of sharing."""

    member: str


class Decision(msgspec.Struct):
    """The body of accepting or rejecting; the stock client sends the member along, which the path names."""

    status: str


def add(request: Request) -> Response:
    """Offer the image to a project; Glance answers 200, not 201."""
    project_id = request.read(NewMember).member
    added = members.add(request.tx, request.caller, request.params["image_id"], project_id)
    return document(views.member(added))


def listed(request: Request) -> Response:
    found = members.of_image(request.tx, request.caller, request.params["image_id"])
    return document({"members": [views.member(one) for one in found], "schema": "/v2/schemas/members"})


def show(request: Request) -> Response:
    found = members.get(request.tx, request.caller, request.params["image_id"], request.params["member_id"])
    return document(views.member(found))


def decide(request: Request) -> Response:
    """A member accepts or rejects."""
    image_id, project_id = request.params["image_id"], request.params["member_id"]
    status = request.read(Decision).status
    return document(views.member(members.decide(request.tx, request.caller, image_id, project_id, status)))


def remove(request: Request) -> Response:
    members.remove(request.tx, request.caller, request.params["image_id"], request.params["member_id"])
    return no_content()

"""Tags of an image, one by one."""

from starlette.responses import Response

from volutus import image
from volutus.http.kernel import Request, no_content


def add(request: Request) -> Response:
    image.add_tag(request.tx, request.caller, request.params["image_id"], request.params["tag"])
    return no_content()


def remove(request: Request) -> Response:
    image.remove_tag(request.tx, request.caller, request.params["image_id"], request.params["tag"])
    return no_content()

"""Glance's API of its image cache, over what hosts have in theirs. For operators."""

from starlette.responses import Response

from volutus import image
from volutus.errors import Invalid
from volutus.http.kernel import Request, document, no_content
from volutus.http.openstack.image import views

_TARGET = "x-image-cache-clear-target"


def show(request: Request) -> Response:
    """What hosts have, and what they were told to fetch and have not yet."""
    return document(views.cache(image.caches.page(request.tx)))


def queue(request: Request) -> Response:
    """Have all hosts fetch an image."""
    image.caches.queue(request.tx, request.caller, request.params["image_id"])
    return Response(status_code=202)


def drop(request: Request) -> Response:
    """Drop an image from the caches of all hosts."""
    image.caches.drop(request.tx, request.caller, request.params["image_id"])
    return no_content()


def clear(request: Request) -> Response:
    """Drop all, or only those that hosts have, or only those that they have not yet."""
    target = request.headers.get(_TARGET, "").lower()
    if target not in ("", "cache", "queue"):
        raise Invalid(f"{_TARGET} must be cache, queue or empty, not {target!r}.", field=_TARGET)
    cached, queued = target != "queue", target != "cache"
    image.caches.clear(request.tx, request.caller, cached=cached, queued=queued)
    return no_content()

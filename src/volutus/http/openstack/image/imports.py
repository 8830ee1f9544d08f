"""Imports and the tasks that tell of them."""

from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from volutus import image
from volutus.db import SortKey
from volutus.errors import Forbidden, Invalid
from volutus.http.kernel import Request, accepted, created, document, parse_page
from volutus.http.openstack.image import bodies, views
from volutus.http.openstack.image.discovery import STORE, rules
from volutus.image import imports, tasks
from volutus.image.imports import ImportOrder
from volutus.image.tasks import TaskFilter

_STORE_HEADER = "x-image-meta-store"
_TYPES = ("import", "api_image_import")


class ImportMethod(msgspec.Struct):
    """How to import; further keys belong to methods that are not offered."""

    name: str
    uri: str | None = None


class Import(msgspec.Struct):
    """The body of an import."""

    method: ImportMethod
    stores: list[str] | None = None
    all_stores: bool = False
    all_stores_must_succeed: bool = True


class TaskInput(msgspec.Struct, forbid_unknown_fields=True):
    """What an administrator's task imports, and what the new image is to be."""

    import_from: str
    import_from_format: str
    image_properties: dict[str, Any]


class NewTask(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a new task."""

    type: str
    input: TaskInput


def start(request: Request) -> Response:
    """Import data to an image: what was staged, what is at a URL, or into further stores."""
    body = request.read(Import)
    stores = [*(body.stores or ()), *filter(None, [request.headers.get(_STORE_HEADER)])]
    if set(stores) - {STORE}:
        raise Invalid(f"The only store is {STORE!r}.", field="stores")
    image_id = request.params["image_id"]
    asked = {"image_id": image_id, "import_req": msgspec.to_builtins(body), "backend": [STORE]}
    order = ImportOrder(body.method.name, body.method.uri, asked=asked)
    imports.order(request.tx, request.caller, image_id, rules(request), order)
    return accepted({})


def create_task(request: Request) -> Response:
    """A new image with the data at a URL, as a task."""
    body = request.read(NewTask)
    if body.type != "import":
        raise Invalid("The type of a task is import.", field="type")
    fields, wished = bodies.parse_fields(
        {"disk_format": body.input.import_from_format} | body.input.image_properties
    )
    made = image.create(request.tx, request.caller, fields, wished)
    asked = msgspec.to_builtins(body.input)
    order = ImportOrder(imports.DOWNLOAD, body.input.import_from, "import", asked)
    task = imports.order(request.tx, request.caller, made.id, rules(request), order)
    location = f"{request.service_url}/v2/tasks/{task.id}"
    return created(views.task(task), {"Location": location})


def listed(request: Request) -> Response:
    """One page of the tasks of the caller's project."""
    page = parse_page(request, default_sort=(SortKey("created_at", True),), direction="desc")
    wanted = TaskFilter(
        _choice(request, "status", tasks.STATES),
        _choice(request, "type", _TYPES),
    )
    found = tasks.page(request.tx, request.caller, wanted, page)
    pairs = [(name, value) for name, value in request.query.multi_items() if name != "marker"]
    answer: dict[str, Any] = {
        "tasks": [views.task(one, whole=False) for one in found],
        "first": _link(pairs),
        "schema": "/v2/schemas/tasks",
    }
    if found and len(found) == page.limit:
        answer["next"] = _link([*pairs, ("marker", found[-1].id)])
    return document(answer)


def show(request: Request) -> Response:
    return document(views.task(tasks.get(request.tx, request.caller, request.params["task_id"])))


def of_image(request: Request) -> Response:
    """What was imported to one image."""
    found = image.get(request.tx, request.caller, request.params["image_id"])
    if not request.caller.sees(found.owner):
        raise Forbidden("The tasks of an image are its owner's to see.")
    return document({"tasks": [views.task(one) for one in tasks.of_image(request.tx, found.id)]})


def _choice(request: Request, name: str, choices: tuple[str, ...]) -> str | None:
    value = request.query.get(name)
    if value is not None and value not in choices:
        raise Invalid(f"{name} must be one of {', '.join(choices)}, not {value!r}", field=name)
    return value


def _link(pairs: list[tuple[str, str]]) -> str:
    return f"/v2/tasks?{urlencode(pairs)}" if pairs else "/v2/tasks"

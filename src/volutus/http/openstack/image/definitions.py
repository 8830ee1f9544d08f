"""Objects, properties and tags of a namespace: the same handlers for each kind."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from volutus.db import SortKey
from volutus.http.kernel import Request, Route, created, document, no_content, parse_page
from volutus.http.openstack.image import definition_views as views
from volutus.http.openstack.image.definition_bodies import NewTags, by_name, definition
from volutus.image.definitions import items

_NAMESPACE = "/v2/metadefs/namespaces/{namespace}"
APPEND_HEADER = "x-openstack-append"


@dataclass(frozen=True)
class Kind:
    """One kind of definition on the wire: `plural` is its place in paths and documents."""

    name: str
    plural: str

    def routes(self) -> tuple[Route, ...]:
        """The paths of this kind."""
        many = f"{_NAMESPACE}/{self.plural}"
        one = f"{many}/{{definition}}"
        return (
            Route("POST", many, self.add, "image:define"),
            Route("GET", many, self.listed, "image:read"),
            Route("DELETE", many, self.remove_all, "image:define"),
            Route("GET", one, self.show, "image:read"),
            Route("PUT", one, self.change, "image:define"),
            Route("DELETE", one, self.remove, "image:define"),
        )

    def add(self, request: Request) -> Response:
        """Define one."""
        name, content = definition(self.name, request.read(dict[str, Any]))
        return self._added(request, name, content)

    def add_by_path(self, request: Request) -> Response:
        """Define one that has nothing but its name, which is in the path."""
        return self._added(request, request.params["definition"], {})

    def listed(self, request: Request) -> Response:
        """Those of a namespace."""
        namespace = request.params["namespace"]
        page = parse_page(request, default_sort=(SortKey("name"),))
        found = items.page(request.tx, request.caller, namespace, self.name, page)
        here = f"{views.ROOT}/{namespace}/{self.plural}"
        answer: dict[str, Any] = {self.plural: views.listed(namespace, self.name, found)}
        if self.name != "property":
            answer |= {"first": here, "schema": f"/v2/schemas/metadefs/{self.plural}"}
            if found and len(found) == page.limit:
                answer["next"] = f"{here}?limit={page.limit}&marker={quote(found[-1].name)}"
        return document(answer)

    def show(self, request: Request) -> Response:
        """One by its name; a type of resource whose prefix the name carries may be said."""
        namespace, name = request.params["namespace"], request.params["definition"]
        found = items.get(request.tx, request.caller, namespace, self.name, name)
        return document(views.definition(namespace, self.name, found))

    def change(self, request: Request) -> Response:
        """Set one wholly, its name too."""
        namespace, name = request.params["namespace"], request.params["definition"]
        to = definition(self.name, request.read(dict[str, Any]))
        changed = items.change(request.tx, request.caller, namespace, self.name, name, to)
        return document(views.definition(namespace, self.name, changed))

    def remove(self, request: Request) -> Response:
        """Take one away."""
        namespace, name = request.params["namespace"], request.params["definition"]
        items.remove(request.tx, request.caller, namespace, self.name, name)
        return no_content()

    def remove_all(self, request: Request) -> Response:
        """Take all away."""
        items.remove_all(request.tx, request.caller, request.params["namespace"], self.name)
        return no_content()

    def _added(self, request: Request, name: str, content: dict[str, Any]) -> Response:
        namespace = request.params["namespace"]
        (made,) = items.add(request.tx, request.caller, namespace, self.name, {name: content})
        location = f"{request.service_url}{views.ROOT}/{quote(namespace)}/{self.plural}/{quote(name)}"
        return created(views.definition(namespace, self.name, made), {"Location": location})


def add_tags(request: Request) -> Response:
    """Set all tags of a namespace, or with `X-Openstack-Append: true` add these."""
    namespace = request.params["namespace"]
    tags = by_name("tag", request.read(NewTags).tags)
    if request.headers.get(APPEND_HEADER, "").lower() != "true":
        items.remove_all(request.tx, request.caller, namespace, "tag")
    made = items.add(request.tx, request.caller, namespace, "tag", tags)
    return created({"tags": [{"name": one.name} for one in made]})


def routes() -> tuple[Route, ...]:
    """The paths of all kinds. Tags come several at once, or by their path."""
    tag, tags = Kind("tag", "tags"), f"{_NAMESPACE}/tags"
    return (
        *Kind("object", "objects").routes(),
        *Kind("property", "properties").routes(),
        *(route for route in tag.routes() if (route.method, route.path) != ("POST", tags)),
        Route("POST", tags, add_tags, "image:define"),
        Route("POST", f"{tags}/{{definition}}", tag.add_by_path, "image:define"),
    )

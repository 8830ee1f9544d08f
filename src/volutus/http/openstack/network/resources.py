"""The five things that can be done with every plain noun, from a description of its wire form.

Bodies, orders and views go by one table of names: an attribute of the wire to the field of the domain.
Nouns whose bodies need more than that have modules with handlers of their own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from msgspec import UNSET
from starlette.responses import Response

from volutus.db import Tx
from volutus.http.kernel import Request, created, no_content
from volutus.http.openstack.network import lists, views
from volutus.http.openstack.network.bodies import (
    Named,
    if_revision,
    project_of,
    read_many,
    read_one,
    require_attributes,
)
from volutus.identity import Caller
from volutus.network.errors import InvalidInput
from volutus.network.listing import Query

T = TypeVar("T")
S = TypeVar("S", covariant=True)
B = TypeVar("B", bound=Named)


class Verbs(Protocol[S]):
    """A noun's module in the domain."""

    @property
    def create(self) -> Callable[[Tx, Caller, Any], S]: ...
    @property
    def get(self) -> Callable[[Tx, Caller, str], S]: ...
    @property
    def list_(self) -> Callable[[Tx, Caller, Query], Sequence[S]]: ...
    @property
    def remove(self) -> Callable[[Tx, Caller, str, int | None], None]: ...


class Changes(Protocol[S]):
    """The verb that changes an object; a noun that nobody changes has none."""

    def __call__(
        self, tx: Tx, caller: Caller, object_id: str, changes: Any, if_revision: int | None, /
    ) -> S: ...


@dataclass(frozen=True)
class Resource(Generic[T, B]):
    """`names` maps the attributes that are the noun's own, as they are shown and (those of `hidden` apart)
    filtered by. `required` must be given when one is made, and `fixed` cannot be changed afterwards.
    `permissions` are for attributes that are not for everybody. A `plain` object is nobody's."""

    noun: str
    plural: str
    verbs: Verbs[T]
    body: type[B]
    order: type[Any]
    names: Mapping[str, str]
    change_verb: Changes[T] | None = None
    changes: type[Any] | None = None
    required: Sequence[str] = ()
    fixed: Sequence[str] = ()
    hidden: Sequence[str] = ()
    plain: bool = False
    permissions: Mapping[str, str] | None = None
    own_view: Callable[[T], dict[str, Any]] | None = None

    def create(self, request: Request) -> Response:
        """Handler: one, or many in one body."""
        bodies, bulk = read_many(request, self.noun, self.plural, self.body)
        made = [self.verbs.create(request.tx, request.caller, self._order(request, one)) for one in bodies]
        return created(lists.many(self.plural, self.noun, [self.view(one) for one in made], bulk=bulk))

    def index(self, request: Request) -> Response:
        """Handler: those that the caller may see."""
        names = {wire: own for wire, own in self.names.items() if wire not in self.hidden}
        asked = lists.parse(request, lists.COMMON_NAMES | names)
        found = self.verbs.list_(request.tx, request.caller, asked.query)
        return lists.answer(request, self.plural, asked, [self.view(one) for one in found])

    def show(self, request: Request) -> Response:
        """Handler: one of them."""
        found = self.verbs.get(request.tx, request.caller, request.params["id"])
        return lists.one(request, self.noun, self.view(found))

    def change(self, request: Request) -> Response:
        """Handler: what the body gives."""
        body = read_one(request, self.noun, self.body)
        require_attributes(request, body, self.permissions or {})
        values = self._values(body)
        for wire in self.fixed:
            if self._own(wire) in values:
                raise InvalidInput(f"Cannot update read-only attribute {wire}", field=wire)
        assert self.changes is not None and self.change_verb is not None
        changed = self.change_verb(
            request.tx, request.caller, request.params["id"], self.changes(**values), if_revision(request)
        )
        return lists.one(request, self.noun, self.view(changed))

    def delete(self, request: Request) -> Response:
        """Handler: away with one."""
        self.verbs.remove(request.tx, request.caller, request.params["id"], if_revision(request))
        return no_content()

    def view(self, it: T) -> dict[str, Any]:
        """The object on the wire; a `plain` one is nobody's, and says nothing of its times and tags."""
        if self.own_view is not None:
            return self.own_view(it)
        names = {"id": "id", "description": "description", **self.names} if self.plain else self.names
        common = {} if self.plain else views.common(it)  # type: ignore[arg-type]
        return common | {wire: getattr(it, own) for wire, own in names.items()}

    def _order(self, request: Request, body: B) -> Any:
        require_attributes(request, body, self.permissions or {})
        values = {name: value for name, value in self._values(body).items() if value is not None}
        for wire in self.required:
            if self._own(wire) not in values:
                raise InvalidInput(f"Failed to parse request. Required attribute '{wire}' not specified")
        return self.order(project_id=project_of(request, body), **values)

    def _values(self, body: B) -> dict[str, Any]:
        """What was given, by the domain's names."""
        known = {one.name for one in fields(self.order)}
        given = {
            self._own(one.encode_name): getattr(body, one.name)
            for one in msgspec.structs.fields(body)
            if getattr(body, one.name) is not UNSET
        }
        return {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in given.items()
            if name in known and name != "project_id"
        }

    def _own(self, wire: str) -> str:
        return self.names.get(wire, wire)

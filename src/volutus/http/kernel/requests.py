"""What a handler is given."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeVar

from starlette.datastructures import Headers, QueryParams

from volutus.db import Tx
from volutus.http.direct import Lendable
from volutus.http.kernel.bodies import decode
from volutus.http.kernel.microversions import Version
from volutus.http.kernel.plane import Plane
from volutus.identity import Caller

T = TypeVar("T")

NO_VERSION = Version(0, 0)


@dataclass(frozen=True)
class Call:
    """The request as all handlers see it. `path` is the full path; `params` are the pieces named in the
    route's path; `query` and `headers` are Starlette's; `service_url` is the dialect's root for links."""

    method: str
    path: str
    params: dict[str, str]
    query: QueryParams
    headers: Headers
    microversion: Version
    caller: Caller
    request_id: str
    origin: str
    service_url: str
    plane: Plane
    client_address: str = ""

    @property
    def url(self) -> str:
        """The request's own URL without the query."""
        return f"{self.origin}{self.path}"


@dataclass(frozen=True)
class Request(Call):
    """A request whose body is read. `tx` is committed when the handler returns; a handler of a GET gets one
    in which each statement stands by itself."""

    body: bytes = b""
    tx: Tx = None  # type: ignore[assignment]  # always given by the kernel

    def read(self, shape: type[T]) -> T:
        """The body as a Struct. Raises Invalid naming the field."""
        return decode(self.body, shape)


@dataclass(frozen=True)
class StreamRequest(Call):
    """A request whose body streams. The handler opens transactions with `plane.database`, in threads.
    `connection` is there to be borrowed for a large body, where that can be."""

    chunks: AsyncIterator[bytes] = None  # type: ignore[assignment]  # always given by the kernel
    connection: Lendable | None = None

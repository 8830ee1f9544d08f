"""What all dialects share: the way of a request from socket to handler and back.

A dialect is data: a `Dialect` with a table of `Route`s, a fault table, its microversions. `Kernel` is the
ASGI application over all dialects. Handlers are plain functions `(Request) -> Response`, run in a thread
with one transaction (`request.tx`) that is committed when they return; those that move bytes or wait long
are asynchronous (`streams=True`), get a `StreamRequest` and open transactions themselves.
"""

from volutus.http.kernel.answers import accepted, created, document, empty, no_content
from volutus.http.kernel.app import Kernel
from volutus.http.kernel.bodies import decode
from volutus.http.kernel.faults import Fault, FaultTable, HttpProblem, openstack_fault
from volutus.http.kernel.microversions import MicroversionRange, Version
from volutus.http.kernel.paging import next_links, parse_page, whole_number
from volutus.http.kernel.plane import Plane
from volutus.http.kernel.requests import Request, StreamRequest
from volutus.http.kernel.routes import Dialect, Route, SocketRoute

__all__ = [
    "Dialect",
    "Fault",
    "FaultTable",
    "HttpProblem",
    "Kernel",
    "MicroversionRange",
    "Plane",
    "Request",
    "Route",
    "SocketRoute",
    "StreamRequest",
    "Version",
    "accepted",
    "created",
    "decode",
    "document",
    "empty",
    "next_links",
    "no_content",
    "openstack_fault",
    "parse_page",
    "whole_number",
]

"""From error families to HTTP: where errors get numbers, and the envelopes services put them in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from volutus import errors

# The family decides; a dialect overrides where its service differs (`FaultTable.statuses`).
_STATUS: dict[type[errors.VolutusError], int] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Stale: 412,
    errors.QuotaExceeded: 403,
    errors.Unpaid: 402,
    errors.NoCapacity: 409,
    errors.TooLarge: 413,
    errors.Unavailable: 503,
    errors.TooOften: 429,
}


class HttpProblem(Exception):
    """A failure of the protocol itself (no such path, wrong version): known to the front alone."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Fault:
    """A failure about to be told: `error` is the domain's, None for a protocol problem or a bug."""

    status: int
    message: str
    request_id: str
    error: errors.VolutusError | None = None

    @property
    def title(self) -> str:
        """The status's name: `Not Found`."""
        return HTTPStatus(self.status).phrase


Envelope = Callable[[Fault], Any]


@dataclass(frozen=True)
class FaultTable:
    """How one dialect tells failures. `envelope` makes the JSON document; `statuses` overrides the number for
    an error class (the most derived class listed wins)."""

    envelope: Envelope
    statuses: Mapping[type[errors.VolutusError], int] = field(default_factory=dict)

    def status(self, error: errors.VolutusError) -> int:
        """The HTTP status of a domain's error."""
        for family in type(error).__mro__:
            if family in self.statuses:
                return self.statuses[family]
            if family in _STATUS:
                return _STATUS[family]
        return 500

    def of_error(self, error: errors.VolutusError, request_id: str) -> Response:
        """The answer for an expected failure."""
        fault = Fault(self.status(error), _naming_field(error), request_id, error)
        headers = {}
        if isinstance(error, errors.Unavailable):
            headers["Retry-After"] = str(error.retry_after_s)
        return self.answer(fault, headers)

    def of_problem(self, problem: HttpProblem, request_id: str) -> Response:
        """The answer for a failure of the protocol."""
        return self.answer(Fault(problem.status, problem.message, request_id), problem.headers)

    def of_bug(self, request_id: str) -> Response:
        """The answer when we failed: says nothing but the id to quote."""
        message = f"The server met an unexpected condition. Quote {request_id} when you report it."
        return self.answer(Fault(500, message, request_id))

    def answer(self, fault: Fault, headers: Mapping[str, str] | None = None) -> Response:
        """The envelope as a response."""
        body = msgspec.json.encode(self.envelope(fault))
        return Response(body, fault.status, headers, media_type="application/json")


def _naming_field(error: errors.VolutusError) -> str:
    """The message; where it does not say which field is wrong, that goes in front."""
    named = error.field is None or error.field in error.message
    if named or not isinstance(error, errors.Invalid):
        return error.message
    return f"Invalid input for {error.field}: {error.message}"


def openstack_fault(fault: Fault) -> dict[str, Any]:
    """`{"error": {"code", "title", "message"}}`, Keystone's envelope and ours where a service has none."""
    return {"error": {"code": fault.status, "title": fault.title, "message": fault.message}}

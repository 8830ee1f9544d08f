"""The families of expected failure. A domain subclasses them with a stable code.

    VolutusError
    ├── Invalid              the request is wrong; `field` names where
    ├── Unauthenticated      who is asking is not known
    ├── Forbidden            known, but may not
    ├── NotFound             no such thing, or not the caller's
    ├── Conflict             the thing's present state forbids it
    │   └── Stale            it changed since the caller read it
    ├── QuotaExceeded        the project may not have more
    ├── Unpaid               the project's account cannot pay for it
    ├── NoCapacity           the cloud has no more
    ├── TooLarge             the body or the object is over a limit
    └── Unavailable          a part is away; worth trying again after `retry_after_s`
        ├── Contended        two changes stood in each other's way; worth trying again at once
        └── TooOften         the caller comes too often

`message` is public. `detail` is for the operator's log and never leaves the process. Nobody decides by
reading a message: decide by class or by `code`. Numbers of HTTP live in `volutus/http` alone.
"""

from typing import ClassVar


class VolutusError(Exception):
    """An expected failure: `message` may be shown to the tenant, `detail` only to the operator."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, detail: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.field = field


class Invalid(VolutusError):
    code = "invalid"


class Unauthenticated(VolutusError):
    code = "unauthenticated"


class Forbidden(VolutusError):
    code = "forbidden"


class NotFound(VolutusError):
    code = "not_found"


class Conflict(VolutusError):
    code = "conflict"


class Stale(Conflict):
    code = "conflict.stale"


class QuotaExceeded(VolutusError):
    code = "quota_exceeded"


class Unpaid(VolutusError):
    code = "unpaid"


class NoCapacity(VolutusError):
    code = "no_capacity"


class TooLarge(VolutusError):
    code = "too_large"


class Unavailable(VolutusError):
    """`retry_after_s` is the number of seconds after which trying again makes sense."""

    code = "unavailable"

    def __init__(self, message: str, *, detail: str = "", retry_after_s: int = 5) -> None:
        super().__init__(message, detail=detail)
        self.retry_after_s = retry_after_s


class Contended(Unavailable):
    """PostgreSQL ended this transaction so that another could go on; nothing of it was kept."""

    code = "unavailable.contended"


class TooOften(Unavailable):
    code = "too_often"

"""What a token carries: as little as possible, since everything else is read afresh at each use.

The epochs are counters in the rows of the user and of the scope. Changing a password or disabling a project
raises one, and all tokens that carry the number before are worthless at once, on all processes.
"""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum

import msgspec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Raised when the order of fields changes: tokens of the form before end with the upgrade.
_FORM = 1
_FIELDS = 13
# Bits of a number: new ones come last.
_METHODS = (
    "password",
    "token",
    "application_credential",
    "totp",
    "oauth1",
    "ec2credential",
    "mapped",
    "openid",
)
_Id = bytes | str | None


class ScopeKind(IntEnum):
    """What a token is good for."""

    UNSCOPED = 0
    PROJECT = 1
    DOMAIN = 2
    SYSTEM = 3


@dataclass(frozen=True)
class Payload:
    """`scope_id` is of a project or a domain. `audit_id` names this token, `parent_audit_id` the first one
    of a chain of rescoped tokens."""

    user_id: str
    methods: tuple[str, ...]
    kind: ScopeKind
    scope_id: str | None
    issued_at: datetime
    expires_at: datetime
    audit_id: str
    parent_audit_id: str | None = None
    user_epoch: int = 0
    scope_epoch: int = 0
    application_credential_id: str | None = None
    trust_id: str | None = None

    def encode(self) -> bytes:
        """The payload in its packed form."""
        fields = (
            _FORM,
            _pack_id(self.user_id),
            sum(1 << _METHODS.index(method) for method in self.methods),
            int(self.kind),
            _pack_id(self.scope_id),
            (self.issued_at - _EPOCH) // _MICROSECOND,
            (self.expires_at - _EPOCH) // _MICROSECOND,
            _pack_audit_id(self.audit_id),
            _pack_audit_id(self.parent_audit_id),
            self.user_epoch,
            self.scope_epoch,
            _pack_id(self.application_credential_id),
            _pack_id(self.trust_id),
        )
        return msgspec.msgpack.encode(fields)


def decode(data: bytes) -> Payload | None:
    """The payload, or None for a form this version does not know."""
    try:
        f = msgspec.msgpack.decode(data)
    except msgspec.MsgspecError:
        return None
    if not isinstance(f, list) or len(f) != _FIELDS or f[0] != _FORM:
        return None
    return Payload(
        user_id=_unpack_id(f[1]) or "",
        methods=tuple(name for bit, name in enumerate(_METHODS) if f[2] >> bit & 1),
        kind=ScopeKind(f[3]),
        scope_id=_unpack_id(f[4]),
        issued_at=_EPOCH + f[5] * _MICROSECOND,
        expires_at=_EPOCH + f[6] * _MICROSECOND,
        audit_id=_unpack_audit_id(f[7]) or "",
        parent_audit_id=_unpack_audit_id(f[8]),
        user_epoch=f[9],
        scope_epoch=f[10],
        application_credential_id=_unpack_id(f[11]),
        trust_id=_unpack_id(f[12]),
    )


def _pack_id(text: str | None) -> _Id:
    """32 hex digits as 16 bytes; other ids (`default`) as they are."""
    if text is not None and len(text) == 32:
        try:
            packed = bytes.fromhex(text)
        except ValueError:
            return text
        return packed if packed.hex() == text else text
    return text


def _unpack_id(value: _Id) -> str | None:
    return value.hex() if isinstance(value, bytes) else value


def _pack_audit_id(text: str | None) -> _Id:
    return None if text is None else base64.urlsafe_b64decode(text + "==")


def _unpack_audit_id(value: _Id) -> str | None:
    return base64.urlsafe_b64encode(value).decode().rstrip("=") if isinstance(value, bytes) else None

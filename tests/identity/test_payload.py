"""Payloads come back as they went in, and stay short enough for a header."""

from datetime import UTC, datetime

import pytest

from volutus.identity import payload as payloads
from volutus.identity.keys import KeyRepository
from volutus.identity.payload import Payload, ScopeKind

NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
ID = "0123456789abcdef0123456789abcdef"
AUDIT_ID = "AAECAwQFBgcICQoLDA0ODw"


@pytest.mark.parametrize("user_id", [ID, "default", ID.upper(), "z" * 32])
@pytest.mark.parametrize(
    ("kind", "scope_id"),
    [
        (ScopeKind.UNSCOPED, None),
        (ScopeKind.PROJECT, ID),
        (ScopeKind.DOMAIN, "default"),
        (ScopeKind.SYSTEM, None),
    ],
)
def test_a_payload_comes_back(user_id, kind, scope_id):
    before = Payload(
        user_id, ("password", "token"), kind, scope_id, NOW, NOW, AUDIT_ID, AUDIT_ID, 3, 5, ID, None
    )
    assert payloads.decode(before.encode()) == before


@pytest.mark.parametrize("data", [b"", b"x", b"\x93\x01\x02\x03", b"\x80"])
def test_what_is_no_payload_is_none(data):
    assert payloads.decode(data) is None


def test_a_project_token_fits_in_255_characters(tmp_path):
    keys = KeyRepository(tmp_path)
    keys.ensure()
    payload = Payload(
        ID, ("password", "token"), ScopeKind.PROJECT, ID, NOW, NOW, AUDIT_ID, AUDIT_ID, 300, 300
    )
    assert len(keys.seal(payload.encode(), 0)) <= 255

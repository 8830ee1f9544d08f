"""WireGuard's keys: 32 bytes of X25519, written in base64."""

import base64
import binascii

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from volutus.network.errors import InvalidInput

KEY_BYTES = 32


def new_pair() -> tuple[str, str]:
    """A private key, and the public key of it."""
    private = X25519PrivateKey.generate()
    return _text(private.private_bytes_raw()), _text(private.public_key().public_bytes_raw())


def checked(text: str, field: str) -> str:
    """A key in its one spelling. Raises InvalidInput naming the field."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != KEY_BYTES or not any(raw):
        raise InvalidInput(f"{field} must be a WireGuard key: {KEY_BYTES} bytes in base64.", field=field)
    return _text(raw)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()

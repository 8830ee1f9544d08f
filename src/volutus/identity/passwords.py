"""Hashes of secrets: argon2id for what people choose, SHA-256 for what we drew at random.

Hashing is meant to be dear, so at most `HASHES_AT_ONCE` run in a process and only so many may wait; the
rest is told to come again. That keeps a storm of sign-ins from taking every thread of the API.
"""

import hashlib
import hmac
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from volutus.errors import Invalid, Unavailable
from volutus.identity.password_rules import PasswordRules

# OWASP's second choice for argon2id: one lane, so that one sign-in takes one core.
MEMORY_KIB = 19 * 1024
PASSES = 2
# More at once than cores only makes each of them late, and each holds MEMORY_KIB.
HASHES_AT_ONCE = 2
WAITING_MAX = 6
# Argon2 takes any length; a body-sized password would only burn CPU.
PASSWORD_MAX = 4096
_DRAWN = "sha256:"


@dataclass(frozen=True)
class HashCost:
    """What a hash takes. Tests use `HashCost.least()`."""

    memory_kib: int = MEMORY_KIB
    passes: int = PASSES

    @classmethod
    def least(cls) -> "HashCost":
        """The cheapest that argon2 knows."""
        return cls(memory_kib=8, passes=1)


class Passwords:
    """Makes and checks hashes at one cost."""

    def __init__(self, cost: HashCost | None = None, rules: PasswordRules | None = None) -> None:
        self.rules = rules or PasswordRules()
        chosen = cost or HashCost()
        self._hasher = PasswordHasher(chosen.passes, chosen.memory_kib, parallelism=1)
        self._nobody = self._hasher.hash(secrets.token_hex())
        self._running = threading.BoundedSemaphore(HASHES_AT_ONCE)
        self._admitted = threading.BoundedSemaphore(HASHES_AT_ONCE + WAITING_MAX)

    def hash(self, password: str) -> str:
        """The hash to store. Raises Invalid where the password is empty or endless."""
        if not password or len(password) > PASSWORD_MAX:
            raise Invalid(f"A password has 1 to {PASSWORD_MAX} characters.", field="password")
        with self._turn():
            return self._hasher.hash(password)

    def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password is the stored one. To say no takes the same time whatever is stored."""
        if stored is not None and stored.startswith(_DRAWN):
            if hmac.compare_digest(stored, draw_hash(password)):
                return True
            stored = None
        with self._turn():
            try:
                self._hasher.verify(stored or self._nobody, password[:PASSWORD_MAX])
            except (VerificationError, InvalidHashError):
                return False
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash was made at another cost and should be made anew."""
        return not stored.startswith(_DRAWN) and self._hasher.check_needs_rehash(stored)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._admitted.acquire(blocking=False):
            raise Unavailable("Too many sign-ins at once.", retry_after_s=1)
        try:
            with self._running:
                yield
        finally:
            self._admitted.release()


def draw_secret() -> str:
    """A secret nobody has to remember: 512 random bits."""
    return secrets.token_urlsafe(64)


def draw_hash(secret: str) -> str:
    """The hash of a drawn secret. It has too much entropy to be guessed, so it need not be slow."""
    return _DRAWN + hashlib.sha256(secret.encode()).hexdigest()

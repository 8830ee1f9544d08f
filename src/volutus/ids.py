"""The only source of randomness for names of things: a test gives a seed and gets the same ids again.

Secrets (passwords, keys, tokens) do not come from here but from the standard `secrets` module.
"""

import random
import uuid


class Ids:
    """Makes ids. Without a seed the system's entropy is used."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311

    def uuid(self) -> str:
        """A random UUID in its 36-character form, as Nova, Neutron, Cinder and Glance name things."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def hex(self) -> str:
        """A random UUID as 32 hex digits, as Keystone names things."""
        return uuid.UUID(int=self._random.getrandbits(128), version=4).hex

    def choice(self, count: int) -> int:
        """A number from 0 to `count` - 1."""
        return self._random.randrange(count)

    def request_id(self) -> str:
        """`req-` and a UUID, the form that OpenStack's clients print."""
        return f"req-{self.uuid()}"

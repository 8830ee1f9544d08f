"""Calls to other regions, over the network: with limits, for what answers there is not this program, and to
the very address that the catalogue has, for the user's token goes with them."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

log = logging.getLogger(__name__)

# Who is not there is noticed while somebody looks at an empty page; who works may take longer.
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
# A thousand servers with all details have less.
ANSWER_MAX_BYTES = 16 << 20
# Each page asks for several things at once; more wait for one another.
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20)
_HEADERS = {"Accept-Encoding": "identity"}


class Unreached(Exception):
    """Nobody answered, or not to the end. `sent` says that the request may have had its effect."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__("answered late or not to the end" if sent else "cannot be reached")
        self.sent = sent


class Far:
    """This process's connections to other regions, kept between calls."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def request(
        self, method: str, address: str, headers: Mapping[str, str], **sent: Any
    ) -> httpx.Response:
        """One request and its whole answer, whatever it is. Raises Unreached."""
        async with self.stream(method, address, headers, **sent) as answer:
            return await whole(answer)

    @asynccontextmanager
    async def stream(
        self, method: str, address: str, headers: Mapping[str, str], **sent: Any
    ) -> AsyncIterator[httpx.Response]:
        """The answer as it comes. Raises Unreached."""
        try:
            async with self._open().stream(
                method, address, headers={**_HEADERS, **headers}, **sent
            ) as answer:
                yield answer
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            log.warning("%s cannot be reached: %r", address, error)
            raise Unreached(sent=False) from error
        except httpx.HTTPError as error:
            log.warning("%s did not answer to the end: %r", address, error)
            raise Unreached(sent=True) from error

    def _open(self) -> httpx.AsyncClient:
        """Connections belong to the loop that opened them."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            # By the authorities that the machine trusts, and past any proxy that its environment names.
            trusted = ssl.create_default_context()
            self._client = httpx.AsyncClient(
                verify=trusted, timeout=_TIMEOUT, limits=_LIMITS, trust_env=False, follow_redirects=False
            )
            self._loop = loop
        return self._client


async def whole(answer: httpx.Response) -> httpx.Response:
    """An answer that was begun, read to its end. Raises Unreached for one that is too long."""
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > ANSWER_MAX_BYTES:
            log.warning("the answer of %s has more than %s bytes", answer.url, ANSWER_MAX_BYTES)
            raise Unreached(sent=True)
    plain = [(name, value) for name, value in answer.headers.items() if name != "content-encoding"]
    return httpx.Response(answer.status_code, headers=plain, content=bytes(body))

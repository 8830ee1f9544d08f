"""Fetches an image from a web server: `web-download`."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import urljoin

import httpcore

from volutus.clock import Clock
from volutus.image import faults
from volutus.image.reach import CONNECT_TIMEOUT_S, Reach, pool

REDIRECTS_MAX = 5
_READ_TIMEOUT_S = 30.0
# A server that sends a byte now and then holds a place for others no longer than this.
WHOLE_TIMEOUT_S = 6 * 3600.0
_TIMEOUTS: Mapping[str, float] = {
    "connect": CONNECT_TIMEOUT_S,
    "read": _READ_TIMEOUT_S,
    "write": _READ_TIMEOUT_S,
    "pool": CONNECT_TIMEOUT_S,
}
_REDIRECTS = (301, 302, 303, 307, 308)
_ASKED = (("Accept-Encoding", "identity"), ("User-Agent", "volutus"))


def fetch(reach: Reach, url: str, clock: Clock, take: Callable[[bytes], None]) -> None:
    """Give the bytes at the URL to `take`, piece by piece. Raises Invalid for a place that may not be
    reached, FetchFailed for one that does not give the bytes."""
    began = clock.now()
    with _answer(reach, url) as answer:
        if answer.status != HTTPStatus.OK:
            raise faults.FetchFailed(f"The server answered {answer.status}.")
        headers = _headers(answer)
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise faults.FetchFailed("The server compresses what it sends, though asked not to.")
        size = 0
        for piece in answer.iter_stream():
            size += len(piece)
            if (clock.now() - began).total_seconds() > WHOLE_TIMEOUT_S:
                raise faults.FetchFailed(f"The download took longer than {WHOLE_TIMEOUT_S:.0f} s.")
            take(piece)
        promised = headers.get(b"content-length", b"")
        if promised.isdigit() and int(promised) != size:
            raise faults.FetchFailed("The server sent fewer bytes than it promised.")


@contextmanager
def _answer(reach: Reach, url: str) -> Iterator[httpcore.Response]:
    """The answer at the end of all redirects, each of which is checked like the first URL."""
    encrypted = False
    try:
        with pool(reach) as connections:
            for _ in range(REDIRECTS_MAX + 1):
                parts = reach.check(url)
                if encrypted and parts.scheme != "https":
                    raise faults.FetchFailed("The server redirects from https to http.")
                encrypted = parts.scheme == "https"
                asked = [("Host", parts.netloc), *_ASKED]
                with connections.stream(
                    "GET",
                    parts._replace(fragment="").geturl(),
                    headers=asked,
                    extensions={"timeout": _TIMEOUTS},
                ) as answer:
                    if answer.status not in _REDIRECTS:
                        yield answer
                        return
                    to = _headers(answer).get(b"location", b"")
                url = urljoin(url, to.decode("latin-1"))
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, UnicodeError) as error:
        raise faults.FetchFailed("The image could not be fetched.", detail=str(error)) from error
    raise faults.FetchFailed(f"The server redirects more than {REDIRECTS_MAX} times.")


def _headers(answer: httpcore.Response) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in answer.headers}

"""Microversion negotiation as the API-SIG's guideline and Nova's own header have it."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from starlette.datastructures import Headers

from volutus.http.kernel.faults import HttpProblem

HEADER = "OpenStack-API-Version"
_VERSION = re.compile(r"([1-9]\d*)\.([1-9]\d*|0)")


class Version(NamedTuple):
    """`2.90` compares greater than `2.9`."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True)
class MicroversionRange:
    """What a dialect speaks. `service_type` is the word in the header (`compute`, `volume`, `placement`);
    `legacy_header` is Nova's older one. A request without a header gets `lowest`."""

    service_type: str
    lowest: Version
    highest: Version
    legacy_header: str | None = None

    def negotiate(self, headers: Headers) -> Version:
        """The version asked for. Raises HttpProblem 400 for a malformed one, 406 for one not spoken."""
        asked = self._asked(headers)
        if asked is None:
            return self.lowest
        if asked == "latest":
            return self.highest
        match = _VERSION.fullmatch(asked)
        if match is None:
            raise HttpProblem(
                400, f"API Version String {asked} is of invalid format. Must be of format MajorNum.MinorNum."
            )
        version = Version(int(match[1]), int(match[2]))
        if not self.lowest <= version <= self.highest:
            raise HttpProblem(
                406,
                f"Version {version} is not supported by the API. "
                f"Minimum is {self.lowest} and maximum is {self.highest}.",
            )
        return version

    def response_headers(self, version: Version) -> dict[str, str]:
        """What tells the client which version it got."""
        headers = {HEADER: f"{self.service_type} {version}", "Vary": HEADER}
        if self.legacy_header:
            headers[self.legacy_header] = str(version)
            headers["Vary"] = f"{HEADER}, {self.legacy_header}"
        return headers

    def _asked(self, headers: Headers) -> str | None:
        for part in ",".join(headers.getlist(HEADER)).split(","):
            words = part.split()
            if len(words) == 2 and words[0].lower() == self.service_type:
                return words[1].lower()
        return headers.get(self.legacy_header) if self.legacy_header else None

"""Where the services of other regions are, by the catalogue that this cloud's own identity service answers to
the user's token.

No other address is ever called: none from a form, from a link in an answer, or from a redirect.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Service:
    """`root` begins its paths in this cloud, `kinds` are its types in catalogues. Some catalogues end its
    address with the version, others leave that to clients."""

    root: str
    kinds: tuple[str, ...]
    version: str = ""


# What pages are made of, besides the identity service, of which there is one for all regions.
_SERVICES = (
    Service("/compute", ("compute",), "/v2.1"),
    Service("/network", ("network",), "/v2.0"),
    Service("/volume", ("block-storage", "volumev3"), "/v3"),
    Service("/image", ("image",), "/v2"),
    Service("/load-balancer", ("load-balancer",), "/v2.0"),
    Service("/placement", ("placement",)),
    Service("/billing", ("billing",), "/v1"),
    Service("/operations", ("operations",), "/v1"),
)
_BY_KIND = {kind: service for service in _SERVICES for kind in service.kinds}


@dataclass(frozen=True)
class Region:
    """`bases` has the address of each service that the region offers, by the service's root."""

    name: str
    bases: Mapping[str, str] = field(default_factory=dict)

    def address(self, path: str) -> str:
        """Where a path of this cloud's API is in the region; empty where it offers no such service."""
        root = f"/{path.split('/')[1]}"
        base = self.bases.get(root)
        return f"{base}{path.removeprefix(root)}" if base else ""


@dataclass(frozen=True)
class Reach:
    """The regions whose pages a session can look at: the one it is in, `home`, and the catalogue's others."""

    home: str
    others: Mapping[str, Region] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """All of them, this cloud's own first."""
        return [self.home, *sorted(self.others)]


def reach(home: str, catalog: Iterable[Mapping[str, Any]], project_id: str) -> Reach:
    """The regions of a catalogue. Services without a page, and addresses that no client could call, do not
    count."""
    found: dict[str, dict[str, str]] = {}
    for offer in catalog:
        service = _BY_KIND.get(offer["type"])
        if service is None:
            continue
        for endpoint in offer["endpoints"]:
            name, base = endpoint["region_id"], _base(str(endpoint["url"]), project_id, service)
            if name and name != home and endpoint["interface"] == "public" and base:
                found.setdefault(name, {}).setdefault(service.root, base)
    return Reach(home, {name: Region(name, bases) for name, bases in found.items()})


def _base(url: str, project_id: str, service: Service) -> str:
    """The address without project and version; empty if it is none of HTTP, or says more than a place."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return ""
    if not usable or "@" in parts.netloc or parts.query or parts.fragment:
        return ""
    return url.rstrip("/").removesuffix(f"/{project_id}").removesuffix(service.version)

"""Access rules: the requests that an application credential is good for, where its maker listed them.

A rule names a service type, a method and a path below the service's root. `*` stands for one segment's
characters, `{name}` for one segment, `**` for anything.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class AccessRule:
    """`service` is the catalog's type: `compute`."""

    id: str
    service: str
    method: str
    path: str


def permits(rules: Iterable[AccessRule], services: Collection[str], method: str, path: str) -> bool:
    """Whether any rule covers the request to a service known by these types. `path` is below the service's
    root (`/v2.1/servers`)."""
    return any(
        rule.service in services and rule.method == method and _pattern(rule.path).fullmatch(path)
        for rule in rules
    )


# Each pattern is compiled once; tenants may not fill the memory with them.
@lru_cache(maxsize=1024)
def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*|\{[^/{}]*\})", path)
    wild = {"**": ".*", "*": "[^/]*"}
    return re.compile(
        "".join(
            wild.get(part) or ("[^/]+" if part.startswith("{") else re.escape(part)) for part in parts if part
        )
    )

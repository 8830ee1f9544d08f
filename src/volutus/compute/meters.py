"""What a server is paid for by while it runs: its MHz, its memory, and the licences of what it boots.

A back-fill server (scheduler hint `backfill=true`) has a class of its own, for it yields to others. Licences
are what an operator's image says: `volutus_licence_core` names one that is paid for each core,
`volutus_licence_instance` one for each server.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from volutus.metering import Usage

SERVER = "server"
MHZ = "cpu_mhz"
MEMORY = "memory_mib"
BACKFILL = "backfill"
LICENCES = {"volutus_licence_core": "licence_core", "volutus_licence_instance": "licence_instance"}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def is_backfill(hints: Mapping[str, Any]) -> bool:
    """Whether it was ordered to run on what nobody else needs."""
    return str(hints.get(BACKFILL, "")).lower() == "true"


def amounts(server: Any) -> dict[str, Decimal]:
    """Meter to amount of a server, or of a row with its size, `image_properties` and `hints`."""
    of_class = f":{BACKFILL}" if is_backfill(server.hints) else ""
    found = {f"{MHZ}{of_class}": Decimal(server.mhz), f"{MEMORY}{of_class}": Decimal(server.memory_mib)}
    for name, meter in LICENCES.items():
        if licence := server.image_properties.get(name):
            key = f"{meter}:{licence.lower()}" if _NAME.fullmatch(licence.lower()) else meter
            found[key] = Decimal(server.cores if meter == "licence_core" else 1)
    return found


def usages(server_id: str, server: Any) -> list[Usage]:
    """What is metered for a server that runs."""
    owner = server.project_id
    return [Usage(owner, SERVER, server_id, meter, amount) for meter, amount in amounts(server).items()]

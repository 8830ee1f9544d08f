"""What a host has, in Placement's words: resource classes, inventories, traits, and requests for them."""

import re
from collections.abc import Mapping
from typing import Any

from volutus.errors import Invalid
from volutus.http.kernel import Request
from volutus.placement import Host

# Class to the column of claims and inventories. CPU speed is sold apart from cores; Placement has no
# standard class for it.
COLUMNS: Mapping[str, str] = {
    "VCPU": "cores",
    "MEMORY_MB": "memory_mib",
    "DISK_GB": "disk_gib",
    "CUSTOM_MHZ": "mhz",
}
COMPUTE_TRAIT = "COMPUTE_NODE"
DISABLED_TRAIT = "COMPUTE_STATUS_DISABLED"
ACCELERATOR_TRAITS = ("CUSTOM_ACCELERATOR_KVM", "CUSTOM_ACCELERATOR_TCG")
TRAITS = (COMPUTE_TRAIT, DISABLED_TRAIT, *ACCELERATOR_TRAITS)
_AMOUNT = re.compile(r"([A-Z0-9_]+):([1-9]\d{0,17})")


def inventory(host: Host, resource_class: str) -> dict[str, Any]:
    """One inventory. Totals are what is sold, so the ratio is 1 and nothing is reserved."""
    total = getattr(host, COLUMNS[resource_class])
    return {
        "total": total,
        "reserved": 0,
        "min_unit": 1,
        "max_unit": max(total, 1),
        "step_size": 1,
        "allocation_ratio": 1.0,
    }


def used(host: Host) -> dict[str, int]:
    """What is claimed of the host."""
    return {name: getattr(host, f"{column}_used") for name, column in COLUMNS.items()}


def claimed(claim: Any) -> dict[str, int]:
    """A claim's resources, without those it has none of."""
    amounts = {name: int(getattr(claim, column)) for name, column in COLUMNS.items()}
    return {name: amount for name, amount in amounts.items() if amount}


def traits(host: Host) -> list[str]:
    """What is said of the host."""
    said = [COMPUTE_TRAIT]
    if not host.enabled:
        said.append(DISABLED_TRAIT)
    if host.facts is not None:
        accelerator = f"CUSTOM_ACCELERATOR_{host.facts.accelerator.upper()}"
        said += [accelerator] * (accelerator in ACCELERATOR_TRAITS)
    return said


def wanted(request: Request, *, required: bool = False) -> dict[str, int]:
    """`?resources=VCPU:1,MEMORY_MB:512`. Raises Invalid."""
    text = request.query.get("resources")
    if text is None:
        if required:
            raise Invalid("Badly formed querystring parameters: 'resources' is a required property")
        return {}
    amounts: dict[str, int] = {}
    for part in text.split(","):
        match = _AMOUNT.fullmatch(part.strip())
        if match is None:
            raise Invalid(f"Badly formed resources parameter: expected NAME:AMOUNT, got {part!r}")
        if match[1] not in COLUMNS:
            raise Invalid(f"Invalid resource class in resources parameter: {match[1]}")
        amounts[match[1]] = int(match[2])
    return amounts


def free(request: Request) -> dict[str, int]:
    """`?resources=` by our columns: so much must be unclaimed."""
    return {COLUMNS[name]: amount for name, amount in wanted(request).items()}


def has_traits(request: Request, host: Host) -> bool:
    """Whether the host is as `?required=A,!B,in:C,D` (repeated) says."""
    own = set(traits(host))
    for text in request.query.getlist("required"):
        if text.startswith("in:"):
            if not own & set(text.removeprefix("in:").split(",")):
                return False
            continue
        for name in text.split(","):
            if (name.removeprefix("!") in own) == name.startswith("!"):
                return False
    return True

"""What a project may have. Charged in the transaction that makes the thing, so that no race passes a limit.

This counts things; it does not know what they cost (billing) or whether a host has room (placement).
"""

from volutus.quota.limits import (
    DEFAULTS,
    UNLIMITED,
    defaults,
    limits,
    projects_with_limits,
    reset_limits,
    set_defaults,
    set_limits,
)
from volutus.quota.usage import charge, release, require_unused, take_back, usage

__all__ = [
    "DEFAULTS",
    "UNLIMITED",
    "charge",
    "defaults",
    "limits",
    "projects_with_limits",
    "release",
    "require_unused",
    "reset_limits",
    "set_defaults",
    "set_limits",
    "take_back",
    "usage",
]

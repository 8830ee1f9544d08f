"""Where things go: hosts, what they have, who claimed what of it, and the document of each host.

A claim is one guarded statement: two racing claims never oversell a host. An assignment raises the host's
generation, which is what its agent polls for. What a guest or a disk is, other domains know.
"""

from volutus.placement import hosts, inventory
from volutus.placement.assignments import (
    HOSTS_CHANNEL,
    assign,
    assign_changed,
    assign_everywhere,
    bury,
    bury_many,
    desired,
    forget,
    require_named_image,
    ring,
    was_rung,
)
from volutus.placement.claims import (
    Claim,
    NoValidHost,
    Shares,
    change_claim,
    claim,
    claim_of,
    claims_of_host,
    fewest_that_free,
    host_of,
    release,
    release_many,
    take_over,
    totals,
)
from volutus.placement.enrolment import JoinTokenInvalid, enrol, new_join_token
from volutus.placement.hosts import Host

__all__ = [
    "HOSTS_CHANNEL",
    "Claim",
    "Host",
    "JoinTokenInvalid",
    "NoValidHost",
    "Shares",
    "assign",
    "assign_changed",
    "assign_everywhere",
    "bury",
    "bury_many",
    "change_claim",
    "claim",
    "claim_of",
    "claims_of_host",
    "desired",
    "enrol",
    "fewest_that_free",
    "forget",
    "host_of",
    "hosts",
    "inventory",
    "new_join_token",
    "release",
    "release_many",
    "require_named_image",
    "ring",
    "take_over",
    "totals",
    "was_rung",
]

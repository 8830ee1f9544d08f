"""Hosts and what is claimed of them: the operator's alone, so that nobody else learns what there is."""

from tests.api.foreign import PROJECT, Foreign
from volutus import placement
from volutus.db import Tx
from volutus.http.kernel import Plane
from volutus.placement.inventory import Overcommit
from volutus.wire import HostFacts

CONSUMER = "server-of-theirs"


def host(tx: Tx, _plane: Plane | None = None, name: str = "host-1") -> str:
    """A host with room."""
    host_id = placement.hosts.register(tx, name, "nova")
    facts = HostFacts(
        hostname=name,
        cores=4,
        mhz_per_core=2500,
        memory_mib=8192,
        disk_gib=500,
        accelerator="tcg",
        hypervisor_version=7002000,
        agent_version="0.1.0",
        chassis=name,
        address="192.0.2.1",
    )
    placement.hosts.record_facts(tx, host_id, facts, Overcommit())
    return str(host_id)


def _claim(tx: Tx, _plane: Plane) -> str:
    host(tx)
    placement.claim(tx, placement.Claim(CONSUMER, PROJECT, "them", mhz=500, cores=1, memory_mib=64))
    return CONSUMER


FOREIGN = Foreign(
    objects={"provider_id": host, "consumer_id": _claim},
    shared=frozenset({"resource_class", "name"}),
    statuses=frozenset({403}),
)

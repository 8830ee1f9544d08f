"""What is told to hosts about guests: to have one as its server's row says, or to remove it."""

import hashlib

import msgspec
from sqlalchemy import update

from volutus import placement
from volutus.compute import guest_specs
from volutus.compute.servers import Guest, Server
from volutus.compute.tables import guests
from volutus.db import Tx
from volutus.reconcile import Again
from volutus.wire import GuestSpec

GUEST = "guest"
# Its report wakes us; this is the guarantee.
GONE_LOOK_AGAIN_S = 10.0
# After this long an operator is told what a deletion waits for.
HOST_DEADLINE_S = 60.0


def order(tx: Tx, server: Server, guest: Guest) -> bool:
    """Tell the host what the guest should be; False when it was told just that before."""
    spec = guest_specs.spec_of(tx, server)
    digest = _digest(spec, server.power_orders)
    if digest == guest.assigned_digest:
        return False
    generation = placement.assign(tx, guest.host_id, GUEST, server.id, spec)
    tx.execute(
        update(guests)
        .where(guests.c.server_id == server.id)
        .values(
            assigned_at=tx.now,
            assigned_generation=generation,
            assigned_digest=digest,
            assigned_power=spec.power.value,
            assigned_power_orders=server.power_orders,
        )
    )
    return True


def tell_again(tx: Tx, server_id: str) -> None:
    """Have the host told once more, though it may be what it was told last: its answer is wanted. A volume
    that is taken out before the host ever heard of it is seen to be out by that."""
    tx.execute(update(guests).where(guests.c.server_id == server_id).values(assigned_digest=None))


def _digest(spec: GuestSpec, power_orders: int) -> str:
    """Tells orders apart. To start a guest that stopped itself is another order though it says the same."""
    return hashlib.sha256(msgspec.json.encode(spec) + str(power_orders).encode()).hexdigest()


def bury(tx: Tx, guest: Guest) -> Again:
    """Have the guest removed from its host, and wait until that is reported."""
    if guest.buried_at is None:
        known = placement.bury(tx, guest.host_id, GUEST, guest.server_id)
        values = {"buried_at": tx.now} if known else {"buried_at": tx.now, "gone_at": tx.now}
        tx.execute(update(guests).where(guests.c.server_id == guest.server_id).values(**values))
        if not known:
            return Again(0, "its host was never told of it")
    why = f"host {guest.host_name} has not reported it gone"
    return Again(GONE_LOOK_AGAIN_S, why, deadline_s=HOST_DEADLINE_S)

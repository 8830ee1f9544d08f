"""Back-fill servers: they run on what nobody else needs, cost less, and yield when somebody does.

One is ordered with the scheduler hint `backfill=true`. When a server finds no place, back-fill servers whose
places would do are given notice, the newest first; a while later they are shelved. Nothing of them is lost:
their tenants unshelve them when there is room again.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Row, func, or_, select

from volutus import audit, placement
from volutus.compute import history, meters, servers, steps
from volutus.compute.servers import Server
from volutus.compute.steps import Step
from volutus.compute.tables import guests
from volutus.compute.tables import servers as server_rows
from volutus.db import Tx
from volutus.identity.caller import CLOUD
from volutus.placement import Claim
from volutus.reconcile import Again, Outcome, wake_many

# Time to finish what is being written and to say goodbye to whoever is connected.
NOTICE = timedelta(minutes=2)
# For so long somebody waits for room that others are leaving: their disks may be copied to the image store.
PATIENCE = timedelta(minutes=20)
# Of more back-fill servers than this the newest are looked at.
FILLERS_MAX = 1000
YIELDS = "yield"
_LEAVING = (Step.YIELD, Step.SHELVE_STOP, Step.SHELVE_IMAGE, Step.SHELVE_REMOVE)
_FILLERS = (
    select(server_rows.c.id, server_rows.c.step)
    .join(guests, guests.c.server_id == server_rows.c.id)
    .where(
        func.lower(server_rows.c.hints[meters.BACKFILL].as_string()) == "true",
        server_rows.c.delete_asked_at.is_(None),
        server_rows.c.image_task.is_(None) | server_rows.c.step.in_(_LEAVING),
        or_(server_rows.c.step.is_(None), server_rows.c.step.in_(_LEAVING)),
    )
    .order_by(server_rows.c.created_at.desc(), server_rows.c.id)
    .limit(FILLERS_MAX)
)


def make_room(tx: Tx, server: Server, wanted: Claim) -> bool:
    """Give notice to those whose places would do; whether room is on its way. A back-fill server gets none,
    nor one that has waited long enough."""
    asked_at = server.step_since or server.created_at
    # What others hold of pages and devices is not looked at: their leaving may be for nothing.
    if wanted.resources or meters.is_backfill(server.hints) or tx.now - asked_at > PATIENCE:
        return False
    found = {row.id: row for row in tx.rows(_FILLERS)}
    leaving = [row.id for row in found.values() if row.step is not None]
    chosen = placement.fewest_that_free(tx, wanted, list(found), first=leaving)
    _give_notice(tx, [found[server_id] for server_id in chosen])
    return bool(chosen)


def leave(tx: Tx, server: Server) -> Outcome:
    """Wait until the notice is over, and go onto the shelf."""
    since = server.step_since or tx.now
    rest = (since + NOTICE - tx.now).total_seconds()
    if rest > 0:
        return Again(rest, "it yields to others when its notice is over")
    steps.enter(tx, server.id, Step.SHELVE_STOP)
    return Again(0, "it yields to others")


def _give_notice(tx: Tx, rows: Sequence[Row[tuple[str, str | None]]]) -> None:
    # In one order, so that two who want room do not wait for each other.
    told = sorted(row.id for row in rows if row.step is None)
    for server_id in told:
        filler = servers.by_id(tx, server_id, lock=True)
        if filler is not None and filler.step is None:
            steps.enter(tx, server_id, Step.YIELD, {})
            history.began(tx, CLOUD, server_id, YIELDS)
            detail = {"notice_s": int(NOTICE.total_seconds())}
            audit.record(tx, CLOUD, YIELDS, "compute.server", server_id, detail)
    wake_many(tx, meters.SERVER, told)

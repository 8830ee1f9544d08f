"""Tells payers of servers that cannot be reached: nothing was heard of their hosts, and they are not charged.

Which servers those are is not known here: whoever builds the cloud passes in the function that says it.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import text

from volutus.billing.cycles import cycle_of
from volutus.db import Tx
from volutus.placement.hosts import SILENT_AFTER

KIND = "server_unreachable"


class LostServer(Protocol):
    """A server, and when its host was last heard."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def project_id(self) -> str: ...

    @property
    def since(self) -> datetime: ...


# One notice for each time that a host falls silent: the moment is part of its purpose. What was silent in the
# round of upkeep before this one already is told, and nothing else: after the control plane itself was away,
# every host seems silent until it reports.
_TELL = text(
    """
    INSERT INTO billing_notice (account_id, kind, purpose, at, detail)
    SELECT a.id, :kind, concat_ws('/', 'unreachable', s.id, s.since), :now,
        jsonb_build_object('id', s.id, 'name', s.name, 'since', s.since)
    FROM jsonb_to_recordset(CAST(:servers AS jsonb))
        AS s(id text, name text, project_id text, since text, last_seen_at timestamptz)
    LEFT JOIN LATERAL (
        SELECT account_id FROM billing_payer WHERE project_id = s.project_id AND from_at <= :now
        ORDER BY from_at DESC LIMIT 1) p ON true
    JOIN billing_account a ON a.id = coalesce(p.account_id, s.project_id)
    WHERE s.last_seen_at < (SELECT decided_at - CAST(:silent AS interval) FROM billing_level
                            WHERE cycle <= :cycle ORDER BY cycle DESC LIMIT 1)
    ON CONFLICT (purpose) DO NOTHING
    """
)


def tell(tx: Tx, lost: Sequence[LostServer]) -> int:
    """Tell whoever pays for them, once; how many notices that made."""
    if not lost:
        return 0
    servers = [
        {
            "id": one.id,
            "name": one.name,
            "project_id": one.project_id,
            "since": f"{one.since:%Y-%m-%d %H:%M:%S} UTC",
            "last_seen_at": one.since.isoformat(),
        }
        for one in lost
    ]
    now = {"now": tx.now, "cycle": cycle_of(tx.now), "silent": SILENT_AFTER}
    return tx.changed(_TELL, {"kind": KIND, "servers": json.dumps(servers), **now})

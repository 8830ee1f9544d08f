"""`volutus billing`: recompute what was charged, and say where the ledger differs."""

import argparse
import sys

from volutus import settings as settings_module


def audit(arguments: argparse.Namespace) -> int:
    """Recompute the newest cycles from usage; 1 where there is a difference, each on a line."""
    from volutus.billing import auditing, rating
    from volutus.clock import SystemClock
    from volutus.db import Database
    from volutus.ids import Ids

    settings = settings_module.current(arguments.state_dir)
    database = Database(settings.database, SystemClock(settings.clock_ahead_s), Ids(), pool_size=1)
    with database.read() as tx:
        following = rating.next_cycle(tx)
        if following is None:
            sys.stdout.write("Billing has not been opened in this cloud.\n")
            return 0
        first = max(following - arguments.cycles, rating.first_cycle(tx))
        found = auditing.audit_cycles(tx, first, following - 1)
    database.close()
    for one in found:
        where = "/".join(part for part in (one.account_id, one.project_id, one.meter) if part)
        amounts = f"expected {one.expected:f}, booked {one.booked:f} {one.currency}"
        sys.stdout.write(f"cycle {one.cycle}: {one.what}: {where}: {amounts}\n")
    sys.stdout.write(f"{following - first} cycles, {len(found)} differences\n")
    return 1 if found else 0

"""Traffic to the outside, from hosts' reports into usage: once, however often it is told."""

import msgspec
from sqlalchemy import text

from volutus.wire import GuestObserved, NicCounters, Observed

_COUNTED = text("SELECT meter, quantity FROM usage_counts ORDER BY quantity LIMIT 100")


def test_bytes_are_counted_once_for_each_card(plane, database):
    server = plane.create()
    plane.settle()
    (host,) = {id(h): h for h in plane.hosts if server.id in h.guests}.values()

    def tell(run: str, *totals: int) -> list[int]:
        cards = [
            NicCounters(
                port_id=f"card-{number}",
                received_bytes=0,
                received_packets=0,
                sent_bytes=10 * total,
                sent_packets=0,
                outside_run=run,
                outside_bytes=total,
            )
            for number, total in enumerate(totals)
        ]
        (guest,) = (item for item in host.obey().items if isinstance(item, GuestObserved))
        host.report(Observed(seen=host.seen, items=[msgspec.structs.replace(guest, counters=cards)]))
        with database.read() as tx:
            rows = tx.rows(_COUNTED)
        assert {row.meter for row in rows} <= {"traffic_out_bytes"}
        return [int(row.quantity) for row in rows]

    assert tell("first", 0) == []
    assert tell("first", 500) == [500]
    assert tell("first", 500) == [500]
    # A report that was under way while the agent restarted comes late.
    assert tell("first", 400) == [500]
    assert tell("first", 700, 20) == [20, 200, 500]
    # The host lost its records, and counts anew.
    assert tell("second", 30) == [20, 30, 200, 500]
    assert tell("", 99) == [20, 30, 200, 500]

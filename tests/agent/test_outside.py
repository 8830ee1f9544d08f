"""Counting what leaves the cloud: over flows made anew, restarts, and records that were lost."""

from pathlib import Path

from volutus.agent.label_counts import ABSENT_MAX, FIRST_MARK, LabelCounts
from volutus.agent.network.flows import MarkedFlows
from volutus.agent.records import FileRecords, KeptLabels
from volutus.agent.state import Carried, OutsideCounted

LISTING = """\
NXST_FLOW reply (xid=0x4):
 cookie=0x3fb15e1c, duration=1.1s, table=23, n_packets=3, n_bytes=300, idle_age=1, \
priority=100,ip,reg15=0x1,metadata=0x3,nw_src=10.0.0.20 \
actions=load:0x3039->NXM_NX_PKT_MARK[],load:0->OXM_OF_PKT_REG4[32..47],resubmit(,24)
 cookie=0x3fb15e1c, duration=1.1s, table=23, n_packets=1, n_bytes=40, idle_age=1, \
priority=100,ipv6,reg15=0x1,metadata=0x3,ipv6_src=fd00::20 \
actions=load:0x3039->NXM_NX_PKT_MARK[],load:0->OXM_OF_PKT_REG4[32..47],resubmit(,24)
 cookie=0x11111111, duration=1.1s, table=23, n_packets=9, n_bytes=900, idle_age=1, \
priority=0,metadata=0x3 actions=resubmit(,24)
"""


def test_marked_flows_are_read() -> None:
    found = MarkedFlows(Path("none")).read(LISTING)
    carried = {"0x3fb15e1c/10.0.0.20": Carried(300, 3), "0x3fb15e1c/fd00::20": Carried(40, 1)}
    assert found == {12345: carried}
    # What leaves by another gateway is another flow, of the same lines otherwise.
    other_way = LISTING.replace("reg15=0x1", "reg15=0x2")
    assert MarkedFlows(Path("none")).read(LISTING + other_way) == {
        12345: {flow: one.plus(one) for flow, one in carried.items()}
    }


def test_a_switch_that_is_away_says_nothing() -> None:
    assert MarkedFlows(Path("/nonexistent/bridge.mgmt")).carried() is None


def test_first_reading_counts_nothing() -> None:
    """What it shows may be in a total that was lost with the record."""
    counted = OutsideCounted().read({"a": 5000}, "run-1")
    assert (counted.run, counted.total) == ("run-1", 0)
    assert counted.read({"a": 5100}, "run-2") == OutsideCounted("run-1", 100, {"a": 5100})


def test_flows_come_and_go() -> None:
    counted = OutsideCounted().read({"a": 0}, "run")
    for flows, total in (
        ({"a": 100}, 100),
        ({"a": 100}, 100),
        ({"a": 30}, 130),  # Made anew.
        ({}, 130),  # Gone for a moment.
        ({"a": 20}, 150),
        ({"b": 7, "a": 25}, 162),  # Another address.
    ):
        counted = counted.read(flows, "run")
        assert counted.total == total


def test_labels_are_counted_over_restarts(tmp_path: Path) -> None:
    first, second = FIRST_MARK, FIRST_MARK + 1
    kept = KeptLabels(FileRecords(tmp_path))

    def counted(run: str, flows: dict[int, dict[str, Carried]] | None) -> dict[int, tuple[str, int, int]]:
        kept.read(flows, run)
        return {one.mark: (one.run, one.bytes, one.packets) for one in kept.counts.observed().marks}

    # Nobody knows whether what is there at the very first was counted by an agent that lost its records.
    assert counted("r1", {first: {"a": Carried(500, 5)}, 7: {"b": Carried(9, 1)}}) == {first: ("r1", 0, 0)}
    assert counted("r2", {first: {"a": Carried(700, 7)}}) == {first: ("r1", 200, 2)}
    # A switch that does not answer says nothing; a mark that comes later counts from its beginning.
    assert counted("r3", None) == {first: ("r1", 200, 2)}
    both = {first: {"a": Carried(700, 7)}, second: {"c": Carried(80, 1)}}
    assert counted("r4", both) == {first: ("r1", 200, 2), second: ("r4", 80, 1)}
    kept = KeptLabels(FileRecords(tmp_path))
    assert FileRecords(tmp_path).load() == {}
    assert counted("r5", both) == {first: ("r1", 200, 2), second: ("r4", 80, 1)}
    # Flows made anew while nobody looked.
    both[second] = {"c": Carried(60, 1), "d": Carried(10, 1)}
    assert counted("r6", both)[second] == ("r4", 150, 3)
    for _ in range(ABSENT_MAX):
        assert second in counted("r7", {first: both[first]})
    assert counted("r8", {first: both[first]}) == {first: ("r1", 200, 2)}
    assert counted("r9", both)[second] == ("r9", 70, 2)
    assert LabelCounts().observed().marks == []

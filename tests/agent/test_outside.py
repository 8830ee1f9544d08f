"""Counting what leaves the cloud: over flows made anew, restarts, and records that were lost."""

from pathlib import Path

from volutus.agent.network.flows import MarkedFlows
from volutus.agent.state import OutsideCounted

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
    assert found == {12345: {"0x3fb15e1c/10.0.0.20": 300, "0x3fb15e1c/fd00::20": 40}}


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

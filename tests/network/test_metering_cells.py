"""Which labels count a packet: the parts that OVN tells apart against the rules themselves."""

import random
from ipaddress import ip_address, ip_network

import pytest

from volutus.network.metering_cells import CountingRule, cells, counting, overlap, parts
from volutus.network.ovn.model import Direction

OUT = Direction.EGRESS


def labels_by_rule(rules, source, destination):
    matching = [rule for rule in rules if source in rule.source and destination in rule.destination]
    left_out = {rule.label_id for rule in matching if rule.excluded}
    return {rule.label_id for rule in matching} - left_out


def labels_by_cell(found, source, destination):
    """As OVN takes policies: one of the highest priority that match, and it must not matter which."""
    matching = [cell for cell in found if source in cell.source and destination in cell.destination]
    deepest = max((cell.depth for cell in matching), default=0)
    told = {cell.label_ids for cell in matching if cell.depth == deepest}
    assert len(told) <= 1
    return set(*told)


@pytest.mark.parametrize("seed", range(40))
def test_cells_say_what_the_rules_say(seed):
    choose = random.Random(seed)
    # A small world: addresses of six bits, in which prefixes are often within each other.
    world = [ip_address(f"10.0.0.{n}") for n in range(64)]

    def prefix():
        return ip_network((int(choose.choice(world)), choose.choice((0, 26, 28, 29, 31, 32))), strict=False)

    rules = [
        CountingRule(choose.choice("abc"), OUT, prefix(), prefix(), choose.random() < 0.3)
        for _ in range(choose.randrange(1, 7))
    ]
    within = choose.choice((None, prefix()))
    found = cells(rules, 4, within)
    assert len(found) == len({(cell.source, cell.destination) for cell in found})
    for _ in range(300):
        source, destination = choose.choice(world), choose.choice(world)
        if within is None or source in within:
            told = labels_by_cell(found, source, destination)
            assert told == labels_by_rule(rules, source, destination)


def test_a_rule_for_everything_is_one_cell():
    rule = counting("a", "egress", ("0.0.0.0/0", None, None), excluded=False)
    assert [cell.label_ids for cell in cells([rule], 4)] == [("a",)]
    assert cells([rule], 6) == []
    assert parts([rule], OUT, 4) == 1


def test_the_older_prefix_is_the_projects_side():
    """Of what goes out the source, of what comes in the destination."""
    out, into = (
        counting("a", way, ("10.0.0.0/8", None, None), excluded=False) for way in ("egress", "ingress")
    )
    assert (str(out.source), str(out.destination)) == ("10.0.0.0/8", "0.0.0.0/0")
    assert (str(into.source), str(into.destination)) == ("0.0.0.0/0", "10.0.0.0/8")
    # Both ends have to meet.
    apart = counting("a", "egress", (None, "10.0.0.0/8", "9.9.9.0/24"), excluded=False)
    other = counting("a", "egress", (None, "10.1.0.0/16", "8.8.8.0/24"), excluded=False)
    assert overlap(out, apart)
    assert not overlap(apart, other)

"""Hosts, claims and documents."""

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from volutus import placement
from volutus.placement import Claim, NoValidHost, hosts
from volutus.placement.inventory import Overcommit
from volutus.wire import DiskSpec, HostFacts

DISK = DiskSpec(id="d", size_bytes=1 << 30)


def facts(hostname="h", cores=4, mhz=2500, memory=16384, disk=100):
    return HostFacts(
        hostname=hostname,
        cores=cores,
        mhz_per_core=mhz,
        memory_mib=memory,
        disk_gib=disk,
        accelerator="tcg",
        hypervisor_version=7002000,
        agent_version="0.1",
        chassis=hostname,
        address="127.0.0.1",
    )


def add_host(tx, name="h", **kw):
    host_id = hosts.register(tx, name, "nova")
    hosts.record_facts(tx, host_id, facts(name, **kw), Overcommit())
    return host_id


def wanted(consumer, mhz=1000, **kw):
    return Claim(consumer, "p", "u", mhz=mhz, cores=1, memory_mib=100, disk_gib=1, **kw)


def test_a_claim_is_kept_and_given_back(tx):
    host = add_host(tx)
    assert placement.claim(tx, wanted("s1")) == host
    assert placement.claim(tx, wanted("s1")) == host
    assert hosts.get(tx, host).mhz_used == 1000
    placement.release(tx, "s1")
    placement.release(tx, "s1")
    assert (hosts.get(tx, host).mhz_used, hosts.get(tx, host).memory_mib_used) == (0, 0)


@pytest.mark.parametrize(
    "refused",
    [
        {"mhz": 10001},
        {"only_hosts": []},
        {"zone": "elsewhere"},
    ],
)
def test_what_does_not_fit_anywhere_is_refused(tx, refused):
    add_host(tx)
    with pytest.raises(NoValidHost) as error:
        placement.claim(tx, wanted("s1", **refused))
    assert error.value.message.startswith("No valid host was found")


def test_avoided_disabled_and_silent_hosts_get_nothing(database, clock):
    with database.begin() as tx:
        host = add_host(tx)
        with pytest.raises(NoValidHost):
            placement.claim(tx, wanted("s", avoid_hosts=[host]))
        hosts.set_enabled(tx, host, False, "broken fan")
        with pytest.raises(NoValidHost):
            placement.claim(tx, wanted("s"))
        hosts.set_enabled(tx, host, True)
        assert hosts.get(tx, host).up
    clock.advance(61)
    with database.begin() as tx:
        assert not hosts.get(tx, host).up
        with pytest.raises(NoValidHost):
            placement.claim(tx, wanted("s"))
        hosts.seen(tx, host)
        assert placement.claim(tx, wanted("s")) == host


def test_racing_claims_never_oversell(shared_database):
    with shared_database.begin() as tx:
        placed = {add_host(tx, "a"), add_host(tx, "b")}
    claimed, refused = [], []

    def claim(number):
        try:
            with shared_database.begin() as tx:
                claimed.append(placement.claim(tx, wanted(f"s{number}", mhz=1500)))
        except NoValidHost:
            refused.append(number)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    # Two hosts of 10,000 MHz hold six claims of 1,500 each.
    assert (len(claimed), len(refused)) == (12, 4)
    with shared_database.begin() as tx:
        assert {hosts.get(tx, host).mhz_used for host in placed} == {9000}


def test_the_database_refuses_a_claim_given_back_twice(tx):
    host = add_host(tx)
    with pytest.raises(IntegrityError), tx.savepoint():
        tx.execute(text("UPDATE inventories SET mhz_used = -1 WHERE host_id = :id"), {"id": host})


def test_a_host_reads_only_what_is_newer(tx):
    host = add_host(tx)
    placement.assign(tx, host, "disk", "d", DISK)
    first = placement.desired(tx, host, 0)
    assert (first.full, [a.key for a in first.assignments]) == (True, ["d"])
    assert placement.desired(tx, host, first.generation).assignments == []
    placement.assign(tx, host, "disk", "e", DISK)
    newer = placement.desired(tx, host, first.generation)
    assert (newer.full, [a.key for a in newer.assignments]) == (False, ["e"])
    assert newer.assignments[0].spec == DISK
    # A host ahead of us has seen what a restored database forgot.
    assert placement.desired(tx, host, newer.generation + 5).full


def test_a_tombstone_stays_until_the_host_says_gone(tx):
    host = add_host(tx)
    assert not placement.bury(tx, host, "disk", "never")
    placement.assign(tx, host, "disk", "d", DISK)
    seen = placement.desired(tx, host, 0).generation
    assert placement.bury(tx, host, "disk", "d")
    (order,) = placement.desired(tx, host, seen).assignments
    assert (order.tombstone, order.spec) == (True, None)
    with pytest.raises(placement.assignments.Burying):
        placement.assign(tx, host, "disk", "d", DISK)
    raised = placement.desired(tx, host, 0).generation
    assert placement.bury(tx, host, "disk", "d")
    assert placement.desired(tx, host, 0).generation == raised
    assert placement.forget(tx, host, "disk", "d")
    assert not placement.forget(tx, host, "disk", "d")
    assert placement.desired(tx, host, 0).assignments == []


def test_a_join_token_is_good_once_and_for_its_time(database, clock):
    with database.begin() as tx:
        token = placement.new_join_token(tx)
        late = placement.new_join_token(tx)
        host = placement.enrol(tx, token, "h1", "nova")
        assert hosts.get(tx, host).hostname == "h1"
        for wrong in (token, "x"):
            with pytest.raises(placement.JoinTokenInvalid):
                placement.enrol(tx, wrong, "h2", "nova")
    clock.advance(3601)
    with database.begin() as tx, pytest.raises(placement.JoinTokenInvalid):
        placement.enrol(tx, late, "h2", "nova")

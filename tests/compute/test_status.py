"""What a tenant is told, for every combination that matters; and that SQL says the same as Python."""

from itertools import product

import pytest
from sqlalchemy import insert, select

from volutus.compute.status import Facts, status_column, status_of
from volutus.compute.tables import guests, servers

LAUNCHED = {"launched": True, "placed": True, "assigned": True}

TABLE = [
    # facts, (status, vm_state, task_state, power_state)
    ({}, ("BUILD", "building", "scheduling", 0)),
    ({"placed": True}, ("BUILD", "building", "networking", 0)),
    ({"placed": True, "assigned": True}, ("BUILD", "building", "spawning", 0)),
    ({"placed": True, "assigned": True, "seen": "pending"}, ("BUILD", "building", "spawning", 0)),
    ({"placed": True, "assigned": True, "seen": "failed"}, ("ERROR", "error", None, 0)),
    ({"faulted": True}, ("ERROR", "error", None, 0)),
    ({"faulted": True, "deleting": True}, ("ERROR", "error", "deleting", 0)),
    ({"deleting": True}, ("BUILD", "building", "deleting", 0)),
    ({"deleted": True, "deleting": True}, ("DELETED", "deleted", None, 0)),
    ({**LAUNCHED, "seen": "running"}, ("ACTIVE", "active", None, 1)),
    ({**LAUNCHED, "seen": "running", "deleting": True}, ("ACTIVE", "active", "deleting", 1)),
    ({**LAUNCHED, "seen": "paused"}, ("PAUSED", "paused", None, 3)),
    ({**LAUNCHED, "seen": "stopped"}, ("SHUTOFF", "stopped", "powering-on", 4)),
    ({**LAUNCHED, "seen": "crashed"}, ("SHUTOFF", "stopped", "powering-on", 6)),
    ({**LAUNCHED, "seen": "pending"}, ("SHUTOFF", "stopped", "powering-on", 0)),
    ({**LAUNCHED, "seen": "failed"}, ("ERROR", "error", None, 0)),
    ({**LAUNCHED, "seen": None}, ("SHUTOFF", "stopped", "powering-on", 0)),
    ({**LAUNCHED, "power": "off", "seen": "running"}, ("ACTIVE", "active", "powering-off", 1)),
    ({**LAUNCHED, "power": "paused", "seen": "paused"}, ("PAUSED", "paused", None, 3)),
    ({**LAUNCHED, "power": "paused", "seen": "running"}, ("ACTIVE", "active", "pausing", 1)),
    ({**LAUNCHED, "power": "paused", "seen": "stopped"}, ("SHUTOFF", "stopped", None, 4)),
    ({**LAUNCHED, "power": "off", "seen": "paused"}, ("PAUSED", "paused", "powering-off", 3)),
    ({**LAUNCHED, "power": "off", "seen": "stopped"}, ("SHUTOFF", "stopped", None, 4)),
    ({**LAUNCHED, "power": "off", "seen": "crashed"}, ("SHUTOFF", "stopped", None, 6)),
    ({**LAUNCHED, "power": "suspended", "seen": "running"}, ("ACTIVE", "active", "suspending", 1)),
    ({**LAUNCHED, "power": "suspended", "seen": "suspended"}, ("SUSPENDED", "suspended", None, 4)),
    ({**LAUNCHED, "seen": "suspended"}, ("SUSPENDED", "suspended", "resuming", 4)),
    ({**LAUNCHED, "step": "resize_stop", "seen": "running"}, ("RESIZE", "active", "resize_migrating", 1)),
    ({**LAUNCHED, "step": "resized", "seen": "running"}, ("VERIFY_RESIZE", "resized", None, 1)),
    ({**LAUNCHED, "step": "rescued", "seen": "running"}, ("RESCUE", "rescued", None, 1)),
    ({**LAUNCHED, "step": "shelved"}, ("SHELVED_OFFLOADED", "shelved_offloaded", None, 0)),
    ({**LAUNCHED, "step": "resized", "seen": "failed"}, ("ERROR", "error", None, 0)),
    ({**LAUNCHED, "seen": "running", "rebuilding": True}, ("REBUILD", "active", "rebuilding", 1)),
    ({**LAUNCHED, "rebuilding": True}, ("REBUILD", "active", "rebuilding", 0)),
    ({**LAUNCHED, "seen": "failed", "rebuilding": True}, ("ERROR", "error", None, 0)),
    ({**LAUNCHED, "seen": "running", "soft_reboots": 1}, ("REBOOT", "active", "reboot_started", 1)),
    (
        {**LAUNCHED, "seen": "running", "hard_reboots": 2, "hard_done": 1},
        ("HARD_REBOOT", "active", "reboot_started_hard", 1),
    ),
    ({**LAUNCHED, "seen": "running", "soft_reboots": 1, "soft_done": 1}, ("ACTIVE", "active", None, 1)),
]


@pytest.mark.parametrize(("facts", "told"), TABLE)
def test_what_is_told(facts, told):
    status = status_of(Facts(**facts))
    assert (status.name, status.vm_state, status.task_state, status.power_state.value) == told


def test_sql_says_the_same_for_every_combination(tx):
    """Lists filter by SQL and answer by Python: a difference would show servers that do not fit."""
    facts = list(_combinations())
    for number, fact in enumerate(facts):
        _store(tx, f"{number:06}", fact)
    statement = (
        select(
            servers.c.id, *(status_column(word).label(word) for word in ("name", "vm_state", "task_state"))
        )
        .select_from(servers.outerjoin(guests, guests.c.server_id == servers.c.id))
        .order_by(servers.c.id)
        .limit(len(facts) + 1)
    )
    rows = tx.rows(statement)
    assert len(rows) == len(facts)
    for row, fact in zip(rows, facts, strict=True):
        status = status_of(fact)
        assert (row.name, row.vm_state, row.task_state) == (
            status.name,
            status.vm_state,
            status.task_state,
        ), fact


def _combinations():
    for power, deleting, faulted, seen in product(
        ("on", "off"), (False, True), (False, True), (None, "running", "paused", "stopped", "failed")
    ):
        for reboots, deleted, launched in product(((0, 0), (1, 0), (0, 1)), (False, True), (False, True)):
            common = {
                "power": power,
                "deleting": deleting,
                "deleted": deleted,
                "faulted": faulted,
                "soft_reboots": reboots[0],
                "hard_reboots": reboots[1],
                "rebuilding": launched and deleting,
            }
            if seen is None:
                yield Facts(**common)
                yield Facts(**common, placed=True)
            yield Facts(**common, placed=True, assigned=True, launched=launched, seen=seen)


def _store(tx, server_id, fact):
    at = tx.now
    tx.execute(
        insert(servers),
        {
            "id": server_id,
            "project_id": "p",
            "user_id": "u",
            "name": "n",
            "hostname": "n",
            "created_at": at,
            "updated_at": at,
            "deleted_at": at if fact.deleted else None,
            "delete_asked_at": at if fact.deleting else None,
            "power": fact.power,
            "soft_reboots": fact.soft_reboots,
            "hard_reboots": fact.hard_reboots,
            "rebuilds": int(fact.rebuilding),
            "flavor_id": "f",
            "flavor_name": "f",
            "mhz": 1,
            "cores": 1,
            "memory_mib": 1,
            "disk_gib": 0,
            "reservation_id": "r",
            "fault_code": 500 if fact.faulted else None,
            "fault_message": "m" if fact.faulted else None,
            "fault_at": at if fact.faulted else None,
        },
    )
    if fact.placed:
        tx.execute(
            insert(guests),
            {
                "server_id": server_id,
                "host_id": "h",
                "host_name": "h",
                "zone": "nova",
                "placed_at": at,
                "assigned_at": at if fact.assigned else None,
                "state": fact.seen,
                "launched_at": at if fact.launched else None,
            },
        )

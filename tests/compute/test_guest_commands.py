"""Passwords and dumps: asked of the host once, answered or given up, and nothing kept."""

import pytest
from sqlalchemy import text

from volutus import compute
from volutus.compute import guest_answers, guest_commands, history
from volutus.compute.faults import WrongState
from volutus.db import Page
from volutus.wire import CommandAnswer, CommandKind, Observed


@pytest.fixture
def server(plane):
    return plane.create()


def last(plane, server):
    with plane.database.read() as tx:
        action = history.list_(tx, plane.caller, server.id, Page(9))[0]
    return action.action, action.finished_at is not None, action.message


def order(plane, server):
    with plane.database.begin() as tx:
        guest_commands.change_password(tx, plane.caller, server.id, "secret", seal=lambda t: t[::-1])


def taken(plane):
    with plane.database.begin() as tx:
        return guest_commands.take(tx, plane.hosts[0].host_id, unseal=lambda t: t[::-1])


@pytest.mark.parametrize("fault", [None, "No agent answers."])
def test_a_password_is_told_once_and_answered(plane, server, fault):
    order(plane, server)
    (command,) = taken(plane)
    assert (command.kind, command.user, command.password) == (CommandKind.SET_PASSWORD, "root", "secret")
    assert taken(plane) == []
    plane.settle()
    assert last(plane, server) == ("changePassword", False, None)
    answer = CommandAnswer(id=command.id, fault=fault)
    plane.hosts[0].report(Observed(seen=0, answers=[answer]))
    assert last(plane, server) == ("changePassword", True, fault)
    with plane.database.read() as tx:
        assert tx.value(text("SELECT count(*) FROM guest_commands")) == 0


def test_a_silent_host_is_given_up(plane, server):
    order(plane, server)
    plane.clock.advance(61)
    assert taken(plane) == []
    with plane.database.begin() as tx:
        guest_answers.expire(tx)
    name, ended, message = last(plane, server)
    assert (name, ended) == ("changePassword", True) and "in time" in message


def test_a_server_that_is_off_hears_nothing(plane, server):
    plane.act(compute.actions.stop, server.id)
    plane.settle()
    with pytest.raises(WrongState):
        plane.act(guest_commands.crash_dump, server.id)

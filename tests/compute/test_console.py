"""The console log: bytes are stored once, in order, and not without end."""

import pytest

from volutus.compute import console
from volutus.compute.faults import ServerNotFound


@pytest.fixture
def server(plane):
    return plane.create()


def test_output_is_appended_once_and_gaps_are_asked_for(plane, server, database):
    host_id = plane.hosts[0].host_id
    with database.begin() as tx:
        assert console.append(tx, host_id, server.id, 0, b"one\n") == 4
        assert console.append(tx, host_id, server.id, 0, b"one\ntwo\n") == 8
        assert console.append(tx, host_id, server.id, 100, b"far ahead") == 8
        assert console.append(tx, host_id, server.id, 2, b"e\n") == 8
        assert console.tail(tx, server.id) == "one\ntwo\n"


@pytest.mark.parametrize(
    ("lines", "text"), [(None, "a\nb\nc\n"), (2, "b\nc"), (0, ""), (9, "a\nb\nc"), (-1, "a\nb\nc\n")]
)
def test_the_last_lines_are_told(plane, server, database, lines, text):
    with database.begin() as tx:
        console.append(tx, plane.hosts[0].host_id, server.id, 0, b"a\nb\nc\n")
        assert console.tail(tx, server.id, lines) == text


def test_only_the_newest_part_is_kept(plane, server, database):
    host_id, chunk = plane.hosts[0].host_id, b"x" * 65536
    with database.begin() as tx:
        for number in range(8):
            assert console.append(tx, host_id, server.id, number * 65536, chunk) == (number + 1) * 65536
        assert len(console.tail(tx, server.id)) == console.KEPT_BYTES


def test_another_hosts_word_is_not_taken(plane, server, database):
    with database.begin() as tx, pytest.raises(ServerNotFound):
        console.append(tx, "another host", server.id, 0, b"lies")

"""`/snapshots/ID/raw`: the bytes that a snapshot's host sends, whole, by ranges, or not at all."""

import asyncio
import contextlib
import threading

import pytest

from volutus import volume
from volutus.agent.disk_reads import encoded
from volutus.errors import NotFound
from volutus.http import hosted
from volutus.http.meeting import UP, joined

GIB = 1 << 30
MIB = 1 << 20
# Data, zeros, data over the end of a piece, and zeros to the end.
CONTENT = [b"a" * 1000, 5 * MIB, b"b" * MIB, GIB - 6 * MIB - 1000]


def spans(begin):
    """The content from there on."""
    at = 0
    for span in CONTENT:
        length = span if isinstance(span, int) else len(span)
        cut = max(begin - at, 0)
        if cut < length:
            yield length - cut if isinstance(span, int) else span[cut:]
        at += length


class SendingHost(threading.Thread):
    """Answers each download as a host's agent does, until it is stopped; `faults` makes it send nothing."""

    def __init__(self, database, host_id, run_dir, faults=False):
        super().__init__(daemon=True)
        self.database, self.host_id, self.run_dir, self.faults = database, host_id, run_dir, faults
        self.begins, self.stopped = [], threading.Event()

    def run(self):
        while not self.stopped.wait(0.01):
            with self.database.read() as tx:
                asked = volume.reads.take(tx, self.host_id)
            for one in asked:
                self.begins.append(one.begin)
                with contextlib.suppress(ConnectionError, NotFound):
                    asyncio.run(self.send(one))

    async def send(self, one):
        with self.database.read() as tx:
            volume.reads.check_host(tx, self.host_id, one.session_id)
            with pytest.raises(NotFound):
                volume.reads.check_host(tx, "another", one.session_id)
        async with joined(self.run_dir, one.session_id, UP) as (_, writer):
            for piece in encoded(iter(()) if self.faults else spans(one.begin)):
                writer.write(piece)
                await writer.drain()


@pytest.fixture
def sending(database, agent, settings):
    settings.run_dir.mkdir(parents=True)
    host = SendingHost(database, agent.host_id, settings.run_dir)
    host.start()
    yield host
    host.stopped.set()
    host.join()


@pytest.fixture
def snapshot(cinder, made, settle):
    body = {"snapshot": {"volume_id": made()}}
    snapshot_id = cinder.call("POST", "/snapshots", body, 202)["snapshot"]["id"]
    path = f"{cinder.root}/snapshots/{snapshot_id}/raw"
    early = cinder.http.get(path)
    assert early.status_code == 400, early.text
    settle()
    return path


def test_any_part_of_it_comes_from_its_host(cinder, snapshot, sending):
    head = cinder.http.request("HEAD", snapshot)
    assert head.status_code == 200 and head.headers["content-length"] == str(GIB)
    assert head.headers["etag"].strip('"') in snapshot and sending.begins == []
    part = {"Range": f"bytes=500-{6 * MIB + 1499}", "If-Range": head.headers["etag"]}
    got = cinder.http.get(snapshot, headers=part)
    assert got.status_code == 206
    assert got.content == b"a" * 500 + bytes(5 * MIB) + b"b" * MIB + bytes(500)
    end = cinder.http.get(snapshot, headers={"Range": "bytes=-10"})
    assert end.content == bytes(10) and sending.begins == [500, GIB - 10]


def test_a_host_that_cannot_read_it_or_does_not_come_is_told(cinder, snapshot, sending, monkeypatch):
    sending.faults = True
    assert cinder.http.get(snapshot).status_code == 503
    sending.stopped.set()
    sending.join()
    monkeypatch.setattr(hosted, "HOST_COMES_WITHIN_S", 0.2)
    assert cinder.http.get(snapshot).status_code == 503

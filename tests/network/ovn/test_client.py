"""The OVSDB client against a real server: answers, refusals, and a server that comes and goes."""

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import FakeClock
from tests.network.ovn.cluster import MEMBERS, Cluster
from tests.network.ovn.stack import OvsdbServer, remove, short_directory, wait_for
from volutus.clock import SystemClock
from volutus.errors import Unavailable
from volutus.network.ovn import OvsdbClient
from volutus.network.ovn.client import BACKOFF_MAX_S, Refused

ALL = {"op": "select", "table": "Logical_Switch", "where": [], "columns": ["name"]}


def insert(name: str) -> dict:
    return {"op": "insert", "table": "Logical_Switch", "row": {"name": name}}


def names(client: OvsdbClient) -> list[str]:
    return sorted(row["name"] for row in client.transact([ALL])[0]["rows"])


def test_transaction_is_all_or_nothing(client: OvsdbClient) -> None:
    client.transact([insert("a"), insert("b")])
    with pytest.raises(Refused) as refusal:
        client.transact([insert("c"), {"op": "insert", "table": "No_Such", "row": {}}])
    assert "No_Such" in refusal.value.detail
    assert names(client) == ["a", "b"]


def test_constraint_violation_is_refused(client: OvsdbClient) -> None:
    with pytest.raises(Refused):
        client.transact([{"op": "insert", "table": "Port_Group", "row": {"name": "x"}}] * 2)


def test_odd_names_survive(client: OvsdbClient) -> None:
    odd = '} {"id": 1} \\" ü \U0001f600'
    client.transact([insert(odd)])
    assert names(client) == [odd]


def test_long_answers_arrive_whole(client: OvsdbClient) -> None:
    wanted = sorted(f"{'}' * 400}-{number:05}" for number in range(3000))
    client.transact([insert(name) for name in wanted])
    assert names(client) == wanted


def test_threads_share_a_client(client: OvsdbClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: client.transact([insert(f"{number:03}")]), range(100)))
    assert names(client) == [f"{number:03}" for number in range(100)]


def test_tcp(ovsdb: OvsdbServer) -> None:
    # Where nobody else connects from: on 127.0.0.1 a free port may be taken before it is listened on.
    address = "127.0.66.40"
    with socket.create_server((address, 0)) as free:
        port = free.getsockname()[1]
    ovsdb.stop()
    ovsdb.start(f"--remote=ptcp:{port}:{address}")
    client = OvsdbClient(f"tcp:{address}:1, tcp:{address}:{port}", SystemClock())
    assert names(client) == []
    client.close()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    directory = short_directory()
    made = Cluster(directory)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        remove(directory)


@pytest.mark.parametrize("trouble", [signal.SIGKILL, signal.SIGSTOP])
def test_the_leader_of_a_cluster_is_found_again(cluster: Cluster, trouble: signal.Signals) -> None:
    (leader,) = cluster.leaders()
    followers = [number for number in range(MEMBERS) if number != leader]
    client = OvsdbClient(cluster.remote(*followers, leader), SystemClock(), timeout_s=1)
    client.transact([insert("before")])
    cluster.send(leader, trouble)
    wait_for(lambda: answers(client, insert("after")), "the next leader")
    assert names(client) == ["after", "before"]
    client.close()


def test_a_follower_alone_is_not_believed(cluster: Cluster) -> None:
    (leader,) = cluster.leaders()
    others = [number for number in range(MEMBERS) if number != leader]
    for number in (leader, others[0]):
        cluster.send(number, signal.SIGKILL)
    client = OvsdbClient(cluster.remote(0, 1, 2), SystemClock(), timeout_s=1)
    with pytest.raises(Unavailable):
        client.transact([ALL])
    cluster.start_member(leader)
    wait_for(lambda: answers(client, ALL), "a majority")
    client.close()


def answers(client: OvsdbClient, operation: dict) -> bool:
    with contextlib.suppress(Unavailable):
        return bool(client.transact([operation]))
    return False


def test_restarted_server_is_found_again_without_an_error(ovsdb: OvsdbServer, client: OvsdbClient) -> None:
    client.transact([insert("kept")])
    ovsdb.stop()
    ovsdb.start()
    assert names(client) == ["kept"]


def test_away_is_unavailable_and_not_asked_at_every_call(ovsdb: OvsdbServer) -> None:
    clock = FakeClock()
    client = OvsdbClient(ovsdb.remote, clock)
    ovsdb.stop()
    with pytest.raises(Unavailable) as first:
        client.transact([ALL])
    assert "cannot be reached" in first.value.detail
    ovsdb.start()
    with pytest.raises(Unavailable) as second:
        client.transact([ALL])
    assert "waiting" in second.value.detail
    clock.advance(BACKOFF_MAX_S)
    assert names(client) == []
    client.close()


def test_backoff_grows_to_its_limit(ovsdb: OvsdbServer) -> None:
    clock = FakeClock()
    client = OvsdbClient(ovsdb.remote, clock)
    ovsdb.stop()
    for _ in range(8):
        with pytest.raises(Unavailable):
            client.transact([ALL])
        clock.advance(BACKOFF_MAX_S)
    ovsdb.start()
    assert names(client) == []
    client.close()


class OddServer:
    """Accepts connections and says the given bytes after each request; None hangs up."""

    def __init__(self, *answers: bytes | None) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.remote = f"tcp:127.0.0.1:{self._listening.getsockname()[1]}"
        self.heard: list[bytes] = []
        self._answers = answers
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection:
            for answer in self._answers:
                self._hear_request(connection)
                if answer is None:
                    return
                for chunk in answer.split(b"|"):
                    connection.sendall(chunk)
                    time.sleep(0.02)
            connection.settimeout(1)
            with contextlib.suppress(TimeoutError):
                self.heard.append(connection.recv(65536))

    def _hear_request(self, connection: socket.socket) -> None:
        # An answer to an echo may come by itself before it.
        while b'"transact"' not in (chunk := connection.recv(65536)) and chunk:
            self.heard.append(chunk)
        self.heard.append(chunk)

    def close(self) -> None:
        self._thread.join(5)
        self._listening.close()


RESULT = b'{"id":1,"result":[{"rows":[]}],"error":null}'
ECHO = b'{"id":"echo","method":"echo","params":[]}'
ANSWERS = [
    RESULT,
    b"|".join(RESULT[i : i + 1] for i in range(len(RESULT))),
    ECHO + RESULT,
    ECHO + b"|" + RESULT,
    RESULT + ECHO,
    ECHO[:10] + b"|" + ECHO[10:] + RESULT[:20] + b"|" + RESULT[20:],
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_messages_are_told_apart_however_they_arrive(answer: bytes) -> None:
    server = OddServer(answer)
    client = OvsdbClient(server.remote, SystemClock(), timeout_s=3)
    assert client.transact([ALL]) == [{"rows": []}]
    client.close()
    server.close()


def test_echo_between_requests_is_answered_before_the_next(ovsdb: OvsdbServer) -> None:
    server = OddServer(RESULT + b"|" + ECHO, b'{"id":2,"result":[{"rows":[]}],"error":null}')
    client = OvsdbClient(server.remote, SystemClock(), timeout_s=3)
    client.transact([ALL])
    time.sleep(0.1)
    client.transact([ALL])
    client.close()
    server.close()
    assert b'"result":[],"error":null,"id":"echo"' in b"".join(server.heard[1:])


def test_lost_answer_is_unavailable() -> None:
    server = OddServer(None)
    client = OvsdbClient(server.remote, SystemClock(), timeout_s=3)
    with pytest.raises(Unavailable):
        client.transact([ALL])
    server.close()


def test_silent_server_is_unavailable_in_time() -> None:
    server = OddServer(b"{")
    client = OvsdbClient(server.remote, SystemClock(), timeout_s=0.2)
    with pytest.raises(Unavailable) as error:
        client.transact([ALL])
    assert "no answer" in error.value.detail or "timed out" in error.value.detail
    server.close()

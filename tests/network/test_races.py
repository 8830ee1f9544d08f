"""Many requests at once, on real commits: constraints hold and nobody fails who need not."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import text

from tests.conftest import make_caller
from tests.network.test_servers import make_network
from volutus.errors import NoCapacity, VolutusError
from volutus.network import network_removal, ports, security_groups
from volutus.network.errors import NetworkInUse, NetworkNotFound
from volutus.network.ports import PortOrder

CALLER = make_caller()
THREADS = 8


def at_once(database, count: int, act: Callable) -> list:
    """What `count` transactions answered that began together; errors are answers, too."""
    ready = threading.Barrier(THREADS)

    def run(number):
        if number < THREADS:
            ready.wait(timeout=10)
        try:
            with database.begin() as tx:
                return act(tx)
        except VolutusError as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(count)))


def test_racing_ports_never_share_an_address_and_use_the_last_one(shared_database):
    with shared_database.begin() as tx:
        network = make_network(tx, CALLER, cidr="10.0.0.0/26")
    answers = at_once(
        shared_database, 80, lambda tx: ports.create(tx, CALLER, PortOrder(network.id, "project-a"))
    )
    made = [one for one in answers if isinstance(one, ports.Port)]
    failed = [one for one in answers if not isinstance(one, ports.Port)]
    # 62 usable, less the gateway and the metadata port.
    assert len(made) == len({port.fixed_ips[0].address for port in made}) == 60
    assert all(isinstance(error, NoCapacity) for error in failed), failed
    with shared_database.begin() as tx:
        assert tx.value(text("SELECT used FROM quota_usage WHERE resource = 'port'")) == 60


def test_the_default_group_is_made_once(shared_database):
    ids = at_once(shared_database, 16, lambda tx: security_groups.ensure_default(tx, CALLER, "project-a"))
    assert len(set(ids)) == 1
    with shared_database.begin() as tx:
        assert tx.value(text("SELECT used FROM quota_usage WHERE resource = 'security_group'")) == 1


def test_a_network_is_deleted_or_used_but_not_both(shared_database):
    for _ in range(10):
        with shared_database.begin() as tx:
            network = make_network(tx, CALLER)
        turn = iter(range(THREADS))

        def act(tx, network_id=network.id, turn=turn):
            if next(turn) == 0:
                network_removal.remove(tx, CALLER, network_id)
                return "removed"
            return ports.create(tx, CALLER, PortOrder(network_id, "project-a"))

        answers = at_once(shared_database, THREADS, act)
        unexpected = [
            one
            for one in answers
            if isinstance(one, Exception) and not isinstance(one, (NetworkInUse, NetworkNotFound))
        ]
        assert not unexpected
        assert ("removed" in answers) != any(isinstance(one, ports.Port) for one in answers)

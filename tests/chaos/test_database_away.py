"""PostgreSQL is away for a while: the API says so plainly, and everything goes on by itself afterwards.

`CHAOS_AWAY_S=30 pytest tests/chaos` keeps it away for longer.
"""

import os
import signal
import time

import pytest

from bench.cloud import Cloud, eventually
from bench.tenant import Tenant
from tests.chaos.order import found_wrong

pytestmark = pytest.mark.machine

AWAY_S = float(os.environ.get("CHAOS_AWAY_S", "4"))
BACK_WITHIN_S = 20.0


def test_the_api_says_when_to_come_again_and_recovers(cloud: Cloud, tenant: Tenant) -> None:
    ordered = tenant.create("while-it-goes-away")
    supervisor = cloud.supervisor
    assert supervisor is not None
    postgres = cloud.pids()["postgres"]
    # Held still, the supervisor does not start it again.
    os.kill(supervisor.pid, signal.SIGSTOP)
    try:
        os.kill(postgres, signal.SIGKILL)
        until = time.monotonic() + AWAY_S
        while time.monotonic() < until:
            answer = tenant.client.call("GET", f"/compute/v2.1/servers/{ordered}")
            assert answer.status == 503, answer
            assert int(answer.headers["retry-after"]) > 0
            assert b"database" in answer.body
            time.sleep(0.5)
    finally:
        os.kill(supervisor.pid, signal.SIGCONT)
    eventually(lambda: _status(tenant, ordered) == "ACTIVE", "the server is built", BACK_WITHIN_S)
    tenant.client.call("DELETE", f"/compute/v2.1/servers/{ordered}").json()
    eventually(lambda: _status(tenant, ordered) == "GONE", "the server is gone", BACK_WITHIN_S)
    eventually(lambda: not found_wrong(cloud), "everything is in order", BACK_WITHIN_S)


def _status(tenant: Tenant, server_id: str) -> str:
    answer = tenant.client.call("GET", f"/compute/v2.1/servers/{server_id}")
    if answer.status == 404:
        return "GONE"
    return str(answer.json()["server"]["status"]) if answer.status == 200 else "unknown"

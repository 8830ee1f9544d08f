"""The stock OpenStack client with our plugin makes, shows and ends schedules."""

import json
import subprocess
import threading

import pytest
import uvicorn

from tests.api.billing.test_client import CLIENT, plugin  # noqa: F401 fixture
from tests.api.volume.test_exports import exports  # noqa: F401 fixture


@pytest.fixture
def openstack(kernel, api, plugin):  # noqa: F811
    """Runs commands as a member of project-a, all in one process; what it printed."""
    server = uvicorn.Server(uvicorn.Config(kernel, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]

    def run(*commands):
        where = ["--os-auth-type", "admin_token", "--os-token", api.token]
        done = subprocess.run(
            [CLIENT / "openstack", *where, "--os-endpoint", f"http://127.0.0.1:{port}/volume/v3"],
            input="\n".join([*commands, "quit"]),
            capture_output=True,
            text=True,
            timeout=60,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(plugin), "HOME": str(plugin)},
        )
        return done.stdout + done.stderr

    yield run
    server.should_exit = True
    thread.join(5)


def test_schedules_by_command(openstack, cinder, made):
    volume_id = made(name="data")
    terms = {"volume_id": volume_id, "action": "backup", "every_hours": 168, "keep": 4}
    other = cinder.call("POST", "/schedules", {"schedule": terms}, 201)["schedule"]["id"]
    told = openstack(
        "volume schedule create data --name nightly --every 24 --keep 7 --from 2026-12-01T03:00:00Z",
        "volume schedule create data --backup --every 0 --keep 7",
        "volume schedule create dada --every 24 --keep 7",
        "volume schedule list -f json",
        f"volume schedule set {other} --disable --keep 3",
        f"volume schedule show {other} -f json",
        f"volume schedule run list {other}",
        f"volume schedule delete {other}",
    )
    assert "every_hours is a whole number" in told and "(HTTP 400)" in told
    assert "No volume has the name or the id dada." in told
    listed = json.loads(told[told.index("[\n") : told.rindex("]\n") + 1])
    assert {line["Id"] for line in listed} > {other}
    assert '"enabled": false' in told and '"keep": 3' in told
    (one,) = cinder.get("/schedules")["schedules"]
    assert (one["volume_id"], one["next_at"]) == (volume_id, "2026-12-01T03:00:00.000000")


def test_exports_by_command(openstack, exports, made):  # noqa: F811
    volume_id = made(name="data")
    told = openstack(
        "volume export create data -f json",
        "volume export create data",
        "volume export list",
    )
    (export_id,) = exports.orders()
    shown = json.loads(told[told.index("{\n") : told.index("}\n") + 1])
    assert (shown["volume_id"], shown["chap_password"]) == (volume_id, exports.password(export_id))
    assert f"Volume {volume_id} is exported by iSCSI" in told and "(HTTP 409)" in told
    told = openstack(f"volume export delete {export_id}", f"volume export show {export_id}")
    assert "revoking" in told and shown["chap_password"] not in told

"""One of everything that the console shows, and the pages that show it: for the check of every page, and for
the pictures."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bench.cloud import Cloud, eventually
from bench.tenant import Tenant
from tests.console.webdriver import Chromium
from volutus.setup import console_assets
from volutus.setup.progress import Progress

OPEN_PAGES = {"sign-in": "/sign-in", "prices": "/prices", "screen": "/console/vnc?token=none"}
PAGES = {
    "overview": "/",
    "servers": "/servers",
    "server-create": "/servers/new",
    "volumes": "/volumes",
    "snapshots": "/snapshots",
    "backups": "/backups",
    "images": "/images",
    "topology": "/topology",
    "networks": "/networks",
    "routers": "/routers",
    "floating-ips": "/floating-ips",
    "load-balancers": "/load-balancers",
    "security-groups": "/security-groups",
    "key-pairs": "/key-pairs",
    "costs": "/costs",
    "ledger": "/ledger",
    "subscriptions": "/subscriptions",
    "invoices": "/invoices",
    "budgets": "/budgets",
    "account": "/account",
    "application-credentials": "/application-credentials",
    "projects": "/projects",
    "regions": "/regions",
    "trouble": "/servers/none/of/ours",
    "serial": "/console/serial?token=none",
}
ADMIN_PAGES = {
    "admin-projects": "/admin/projects",
    "admin-users": "/admin/users",
    "admin-hosts": "/admin/hosts",
    "admin-placement": "/admin/placement",
    "admin-work": "/admin/work",
    "admin-audit": "/admin/audit",
    "admin-accounts": "/admin/accounts",
    "admin-price-lists": "/admin/price-lists",
}
_NETWORK = "/network/v2.0"


@dataclass(frozen=True)
class Stop:
    """A page: who looks at it (nobody, `demo` or `admin`), its name and where it is."""

    user: str
    name: str
    path: str


@contextlib.contextmanager
def cloud_for_browsers() -> Iterator[tuple[Cloud, Tenant]]:
    """A cloud of real processes with simulated hosts and the console's scripts."""
    made = Cloud.make(2, api_workers=1)
    unset = pytest.MonkeyPatch()
    # The tests' own variable is no setting of a cloud.
    unset.delenv("VOLUTUS_TEST_POSTGRES", raising=False)
    try:
        console_assets.bring(made.settings, Progress(quiet=True))
        made.start()
        unset.undo()
        yield made, Tenant.make(made)
    finally:
        unset.undo()
        made.stop()


def sign_in(browser: Chromium, cloud: Cloud, user: str = "demo") -> None:
    """By the form, into the project of the user's name."""
    browser.command("Network.clearBrowserCookies")
    browser.open(f"{cloud.url}/sign-in")
    browser.type("#user", user)
    browser.type("#password", cloud.password(user))
    browser.run_script(f"document.querySelector('#project').value = '{user}'")
    browser.click(".gate button")
    browser.wait_for(lambda: browser.run_script("return location.pathname") == "/", "the overview")


def fill(tenant: Tenant) -> list[Stop]:
    """Make one of everything; all pages there are then."""
    client, volumes = tenant.client, f"/volume/v3/{tenant.project_id}"
    call = client.call
    server_id = tenant.create("web-1")
    tenant.create("web-2")
    volume = call("POST", f"{volumes}/volumes", {"volume": {"name": "data", "size": 3}}).json()["volume"]
    call("POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "laptop"}})
    group = {"security_group": {"name": "web", "description": "What the web servers let in"}}
    group_id = call("POST", f"{_NETWORK}/security-groups", group).json()["security_group"]["id"]
    balancer = _balancer(tenant)
    _announce(tenant, "East")
    call("POST", "/billing/v1/budgets", {"budget": {"name": "This month", "amount": "100"}})
    eventually(lambda: _status(tenant, f"/compute/v2.1/servers/{server_id}", "server") == "ACTIVE", "active")
    eventually(lambda: _status(tenant, f"{volumes}/volumes/{volume['id']}", "volume") == "available", "there")
    call("POST", f"{volumes}/snapshots", {"snapshot": {"name": "before", "volume_id": volume["id"]}})
    user = [Stop("demo", name, path) for name, path in PAGES.items()]
    user += [
        Stop("demo", "server", f"/servers/{server_id}"),
        Stop("demo", "server-log", f"/servers/{server_id}/log"),
        Stop("demo", "security-group", f"/security-groups/{group_id}"),
        Stop("demo", "load-balancer", f"/load-balancers/{balancer}"),
    ]
    admin = [Stop("admin", name, path) for name, path in ADMIN_PAGES.items()]
    admin.append(Stop("admin", "admin-project", f"/admin/projects/{tenant.project_id}"))
    hosts = tenant.admin.call("GET", "/compute/v2.1/os-hypervisors").json()["hypervisors"]
    admin.append(Stop("admin", "admin-host", f"/admin/hosts/{hosts[0]['id']}"))
    account = call("GET", "/billing/v1/balance").json()["balance"]["account_id"]
    admin.append(Stop("admin", "admin-account", f"/admin/accounts/{account}"))
    return [*(Stop("", name, path) for name, path in OPEN_PAGES.items()), *user, *admin]


def _balancer(tenant: Tenant) -> str:
    """A load balancer that listens, with nothing behind it yet; its id."""
    root, call = "/load-balancer/v2.0/lbaas", tenant.client.call
    path = f"{_NETWORK}/subnets?network_id={tenant.network_id}"
    (subnet,) = call("GET", path).json()["subnets"]
    order = {"loadbalancer": {"name": "front", "vip_subnet_id": subnet["id"]}}
    key = str(call("POST", f"{root}/loadbalancers", order).json()["loadbalancer"]["id"])
    listener = {"protocol": "TCP", "protocol_port": 80, "loadbalancer_id": key, "name": "tcp-80"}
    made = call("POST", f"{root}/listeners", {"listener": listener}).json()["listener"]
    pool = {"protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT", "listener_id": made["id"], "name": "tcp-80"}
    call("POST", f"{root}/pools", {"pool": pool}).json()
    return key


def _announce(tenant: Tenant, region: str) -> None:
    """A second region in the catalogue, so that there is one to choose."""
    call = tenant.admin.call
    (service,) = call("GET", "/identity/v3/services?type=compute").json()["services"]
    host, port = tenant.admin.address
    endpoint = {"service_id": service["id"], "interface": "public", "region_id": region}
    endpoint["url"] = f"http://{host}:{port}/compute/v2.1"
    call("POST", "/identity/v3/endpoints", {"endpoint": endpoint}).json()


def _status(tenant: Tenant, path: str, noun: str) -> str:
    return str(tenant.client.call("GET", path).json()[noun]["status"])

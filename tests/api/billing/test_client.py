"""The stock OpenStack client with our plugin, against the API on a real socket: quote, pay, order, be
charged, and have the invoice on paper."""

import re
import subprocess
import threading
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
import uvicorn

from tests.api.billing.test_payments import SECRET, stripe, tell, work  # noqa: F401 fixtures
from tests.api.billing.test_payments import settings as paid_settings
from tests.billing.conftest import open_billing
from tests.billing.stripe_stand_in import GOOD
from tests.billing.test_ahead import add_port
from tests.billing.test_rating import rate_all
from tests.conftest import make_caller
from tests.printed import documents
from volutus.billing import invoices, uplink
from volutus.identity.caller import CLOUD
from volutus.metering import Usage, open_usage

ROOT = Path(__file__).resolve().parents[3]
CLIENT = ROOT / ".cache" / "client" / "bin"
settings = paid_settings


@pytest.fixture(scope="session")
def plugin(tmp_path_factory):
    """The plugin installed into a directory of its own."""
    target = tmp_path_factory.mktemp("plugin")
    command = [CLIENT / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--target", target, ROOT / "client"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def openstack(kernel, api, database, plugin):
    """Runs the client as a member of project-a; its answer as JSON."""
    with database.begin() as tx:
        open_billing(tx)
    config = uvicorn.Config(kernel, port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]

    def run(*commands, token=api.token):
        """One process of the client for all of these commands; what they print, and what they complain."""
        where = ["--os-auth-type", "admin_token", "--os-token", token]
        done = subprocess.run(
            [CLIENT / "openstack", *where, "--os-endpoint", f"http://127.0.0.1:{port}/billing/v1"],
            input="\n".join([*commands, "quit"]),
            env={"PYTHONPATH": str(plugin), "PATH": "/usr/bin:/bin", "HOME": str(plugin)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return list(documents(done.stdout)), done.stderr

    yield run
    server.should_exit = True
    thread.join(10)


def test_from_a_quote_to_an_invoice(openstack, api, database, clock, stripe, work, tmp_path):  # noqa: F811
    shape = "--flavor 1000mhz-1c-1024m --storage 20"
    (prices, quote, payment), refusal = openstack(
        "price list -f json",
        f"price quote {shape} --prepaid --traffic-cap 5 -f json",
        "subscription create cpu_mhz=1000 -f json",
        "payment create 100 -f json",
    )
    meters = {line["Meter"]: line for line in prices}
    assert (meters["cpu_mhz"]["Ahead"], meters["cpu_mhz"]["Unit"]) == ("0.025", "GHz·h")
    assert (quote["total"], quote["currency"]) == ("45", "CNY")
    assert Decimal(quote["most"]) > 1200
    assert re.search(r"Missing: 18\.0+ CNY\. \(HTTP 402\)", refusal)
    work()
    (shown,), _ = openstack(f"payment show {payment['id']} -f json")
    httpx.post(shown["url"], data={"card": GOOD})
    assert tell(api, clock, stripe.events[0], SECRET) == 204
    (before, (bought,)), _ = openstack("balance show -f json", "subscription create cpu_mhz=1000 -f json")
    assert (before["balance"], bought["Paid"], bought["Status"]) == ("100", "18", "active")
    with database.begin() as tx:
        open_usage(tx, [Usage("project-a", "server", "s", "cpu_mhz", Decimal(2000))])
    clock.advance(700)
    rate_all(database)
    with database.begin() as tx:
        began = tx.now.replace(hour=12, minute=0, second=0)
        invoices.issue(tx, CLOUD, "project-a", began, began.replace(minute=10))
    paper = tmp_path / "invoice.pdf"
    (lines, after, (invoice,)), _ = openstack(
        "ledger list -f json",
        "balance show -f json",
        "invoice list -f json",
        f"invoice save 1 --file {paper}",
    )
    assert [line["Kind"] for line in lines] == ["usage", "usage", "subscription", "payment"]
    assert sum(Decimal(line["Amount"]) for line in lines) == Decimal(after["balance"]) == Decimal("81.995")
    assert invoice["Gross"] == "18.005"
    assert paper.read_bytes().startswith(b"%PDF-")
    port = add_port(database, "project-a")
    with database.begin() as tx:
        uplink.set_uplink(tx, CLOUD, Decimal(100))
    (package, rates, packages), _ = openstack(
        "package create server s -f json",
        f"traffic rate set {port} --mbit 10",
        "traffic rate list -f json",
        "package list -f json",
    )
    assert (package["paid"], package["resource_id"]) == ("36", "s")
    assert [(line["Port id"], line["Mbit"]) for line in rates] == [(port, "10")]
    assert packages[0]["Paid"] == "36"
    ((back, none), _) = openstack(
        f"package end {package['id']} -f json",
        f"traffic rate set {port} --by-volume",
        "traffic rate list -f json",
    )
    assert (back["refund"], none) == ("36", [])


def test_operators_have_their_commands(openstack, api, clock, tmp_path):
    operator = api.as_(make_caller("admin", "admin", user="operator")).token
    listed = tmp_path / "vip.toml"
    head = 'region = "us-west"\ncurrency = "CNY"\nbase = "us-west.cny"\nfactor = "0.9"\n'
    listed.write_text(f'list = "vip"\n{head}')
    api.get("/billing/v1/balance")
    commands = (f"price list publish {listed} -f json", "billing account set project-a --language zh -f json")
    (published, changed), _ = openstack(*commands, token=operator)
    assert (published["id"], changed["language"]) == ("vip", "zh")
    refused = openstack(*commands)
    assert refused[0] == []
    assert refused[1].count("HTTP 403") == 2
    table = tmp_path / "list.csv"
    openstack(
        f"price list export us-west.cny {table}",
        f"price list export vip {tmp_path / 'v.toml'}",
        token=operator,
    )
    assert (tmp_path / "v.toml").read_text().startswith('list = "vip"\n')
    clock.advance(300)
    # A table says prices alone: the list stays the region's default.
    table.write_text(table.read_text().replace("address,,0,10", "address,,0,11"))
    found, complaints = openstack(
        f"price list publish {table} -f json",
        "price list -f json",
        "billing account create Acme --id acme --country DE -f json",
        "billing account add project acme project-b",
        "billing account use list acme vip",
        "billing region set --warn-days 2 --seller Example -f json",
        "billing region show -f json",
        "billing exchange rate set USD CNY 6.89 -f json",
        "billing exchange rate list -f json",
        "billing tax set DE 19 -f json",
        "billing tax list -f json",
        "billing cost set storage_gib 0.60 --currency CNY -f json",
        "billing cost list -f json",
        "billing uplink set 1000",
        "billing uplink show -f json",
        "voucher create GUESS-THIS 5 --currency CNY --expires-at 2027-01-01T00:00:00Z",
        "voucher list -f json",
        "billing credit grant acme 3 --expires-at 2027-01-01T00:00:00Z -f json",
        "billing margin show -f json",
        "billing showback show --month 2026-11 -f json",
        "billing books list -f json",
        "billing audit -f json",
        token=operator,
    )
    assert complaints == ""
    again, listing, made, region, shown, _, rates, _, taxes, _, costs, line, vouchers, credit, *rest = found
    assert (again["id"], made["id"], made["mode"]) == ("us-west.cny", "acme", "paying")
    assert next(one["Ahead"] for one in listing if one["Meter"] == "address") == "11"
    assert region == shown
    assert (shown["warn_days"], shown["seller"]) == (2, "Example")
    assert (rates[0]["Rate"], taxes[0]["Percent"], costs[0]["Cost"]) == ("6.89", "19", "0.6")
    assert line == {"mbit": "1000", "promised": "0"}
    assert (vouchers[0]["Amount"], vouchers[0]["Redeemed by"], credit["amount"]) == ("5", None, "3")
    assert [sum(Decimal(one["Balance"]) for one in report) for report in rest[2:3]] == [0]
    assert (rest[0], rest[1], rest[3]) == ([], [], [])

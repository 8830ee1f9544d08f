"""Servers in the console: what is ordered here is what the API has."""

import re
from decimal import Decimal

import pytest

from tests.conftest import make_caller
from tests.console.conftest import PASSWORDS
from volutus import billing, compute
from volutus.compute.flavors import Flavor
from volutus.console import live
from volutus.reconcile import Item


def order(browser, **changed: str) -> dict[str, str]:
    form = {
        "name": "web-1",
        "image": browser.option("/servers/new", "image", "1111"),
        "size": "preset",
        "flavor": "c1",
        "network": browser.option("/servers/new", "network", "private"),
        "group": "default",
        "key": "",
    }
    return {**form, **changed}


def create(browser, plane, **changed: str) -> str:
    """The path of the new server's page, once it runs."""
    page = browser.send("/servers/new", **order(browser, **changed))
    assert page.status_code == 200, page.text
    plane.settle()
    return str(page.url.path)


def test_empty_pages_say_what_to_do(browser):
    assert "Create your first" in browser.get("/").text
    assert "Create your first" in browser.get("/servers").text


def test_a_server_is_ordered_becomes_active_and_is_listed(browser, plane):
    chosen = browser.send("/servers/price", **order(browser, name="web 1", size="free", mhz="1500")).text
    assert (
        "--flavor 1500mhz-0c-0m --network private --security-group default &#39;web 1&#39;</code>" in chosen
    )
    page = browser.send("/servers/new", **order(browser))
    assert re.search(r"/servers/[0-9a-f-]{36}$", page.url.path)
    plane.settle()
    shown = browser.get(page.url.path).text
    assert "ACTIVE" in shown
    assert "1,000 MHz · 1 core</dd>" in shown
    assert "<dd>256 MiB</dd>" in shown
    assert "<dd>1 GiB</dd>" in shown
    assert re.search(r"<code>(\d+\.){3}\d+</code>", shown)
    assert "openstack server show" in shown
    listed = browser.get("/servers").text
    assert "web-1" in listed
    assert "ACTIVE" in listed
    assert "web-1" in browser.get("/").text


def test_what_a_flavor_gives_beside_the_root_is_shown(browser, plane):
    with plane.database.begin() as tx:
        made = Flavor("local", "local", 1, 256, 1, ephemeral_gib=2, swap_mib=1024)
        compute.flavors.create(tx, make_caller(role="admin"), made)
    shown = "local: 1 core, 256 MiB, 1 GiB + 2 GiB ephemeral + 1024 MiB swap"
    flavor = browser.option("/servers/new", "flavor", shown)
    shown = browser.get(create(browser, plane, flavor=flavor)).text
    assert "<dt>Ephemeral disks</dt><dd>2 GiB</dd>" in shown
    assert "<dt>Swap</dt><dd>1,024 MiB</dd>" in shown


@pytest.mark.parametrize("path", ["/", "/servers", "/topology", "/volumes", "{server}"])
def test_what_follows_is_shown_by_itself_too(browser, plane, monkeypatch, path):
    for name in ("LIFETIME_S", "BUSY_S", "STILL_S"):
        monkeypatch.setattr(live, name, 0.01)
    server = create(browser, plane)
    stream = browser.get(f"/live?page={path.format(server=server)}").text
    assert stream.startswith("event: part") and "event: gone" not in stream


def test_any_size_can_be_ordered(browser, plane):
    path = create(browser, plane, size="free", mhz="1500", cores="2", memory="768", disk="3")
    shown = browser.get(path).text
    assert all(f"<dd>{one}</dd>" in shown for one in ("1,500 MHz · 2 cores", "768 MiB", "3 GiB"))


def test_a_refused_order_keeps_what_was_typed_and_says_what_to_do(browser):
    page = browser.send(
        "/servers/new", **order(browser, name="kept-name", size="free", mhz="x", cores="1", memory="256")
    )
    assert page.status_code == 400
    assert "whole numbers" in page.text
    page = browser.send("/servers/new", **order(browser, name="kept-name", flavor="no-such-flavor"))
    assert page.status_code == 400
    assert 'value="kept-name"' in page.text
    assert "nothing was changed" in page.text
    assert re.search(r"req-[0-9a-f-]{36}", page.text)


def test_a_key_made_with_the_server_is_shown_once(browser, plane):
    page = browser.send("/servers/new", **order(browser, key="+new", key_name="mine"))
    assert "PRIVATE KEY" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert 'download="mine.pem"' in page.text
    onwards = re.search(r'href="(/servers/[^"]+)">I have saved', page.text)
    assert onwards
    assert "mine" in browser.get(onwards[1]).text


def test_a_key_is_shown_even_if_the_server_is_refused(browser):
    page = browser.send("/servers/new", **order(browser, key="+new", key_name="mine", flavor="no-such"))
    assert "PRIVATE KEY" in page.text
    assert page.status_code == 400


def test_user_data_keeps_unix_lines(browser, plane, database):
    create(browser, plane, user_data="#!/bin/sh\r\necho hi")
    import base64

    from sqlalchemy import text

    with database.read() as tx:
        stored = tx.value(text("SELECT user_data FROM servers LIMIT 1"))
    assert base64.b64decode(stored) == b"#!/bin/sh\necho hi\n"


def test_a_server_is_stopped_started_rebooted_and_deleted(browser, plane):
    path = create(browser, plane)
    for act, state in (("stop", "SHUTOFF"), ("start", "ACTIVE"), ("reboot", "ACTIVE")):
        page = browser.send(path, act=act)
        assert page.status_code == 200, page.text
        plane.settle()
        assert state in browser.get(path).text
    assert "Delete web-1" in browser.get(path).text
    page = browser.send(path, act="delete")
    assert page.url.path == "/servers"
    assert "Deletion ordered" in page.text
    plane.settle()
    assert browser.get(path).status_code == 404


def test_the_list_is_searched_sorted_and_paged_by_the_api(browser, plane):
    for name in ("alpha", "beta", "a.c"):
        create(browser, plane, name=name)
    assert "beta" not in browser.get("/servers?q=alp").text.partition("<table")[2]
    found = browser.get("/servers?q=a.c").text.partition("<table")[2]
    assert "a.c" in found
    assert "alpha" not in found
    page = browser.get("/servers?sort=display_name").text.partition("<table")[2]
    assert page.index("alpha") < page.index("beta")
    assert "No server fits" in browser.get("/servers?q=nothing").text


def test_a_long_list_has_a_next_page(browser, plane, monkeypatch):
    monkeypatch.setattr("volutus.console.shapes.PAGE_ROWS", 1)
    for name in ("one", "two"):
        create(browser, plane, name=name)
    page = browser.get("/servers").text
    more = re.search(r'href="(/servers\?marker=[^"]+)"', page)
    assert more
    assert "Next page" not in browser.get(more[1]).text


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '" onload="x'])
def test_names_are_shown_not_run(browser, plane, name):
    path = create(browser, plane, name=name)
    for page in (path, "/servers", "/"):
        text = browser.get(page).text
        assert "<script>alert" not in text
        assert 'onload="x' not in text


def test_another_projects_server_is_not_found(browser):
    page = browser.get("/servers/99999999-2222-3333-4444-555555555555")
    assert page.status_code == 404
    assert "req-" in page.text


def test_the_console_log_is_shown(browser, plane):
    path = create(browser, plane)
    page = browser.get(f"{path}/log")
    assert page.status_code == 200
    assert "openstack console log show" in page.text


def test_traffic_is_paid_by_volume_below_a_cap_or_by_a_committed_rate(browser, plane):
    http, admin = browser.http, token(browser, "admin")
    made = http.post(
        "/network/v2.0/qos/policies", json={"policy": {"name": "calm", "shared": True}}, headers=admin
    )
    policy = made.json()["policy"]["id"]
    rule = {"bandwidth_limit_rule": {"max_kbps": 20000, "direction": "egress"}}
    http.post(f"/network/v2.0/qos/policies/{policy}/bandwidth_limit_rules", json=rule, headers=admin)
    asked = order(browser, traffic="volume", cap=policy, mbit="10")
    price = browser.send("/servers/price", **asked).text
    assert "At the highest level of prices" in price
    assert "for each GB" in price
    path = create(browser, plane, traffic="volume", cap=policy, mbit="10")
    demo = token(browser, "demo")
    ports = f"/network/v2.0/ports?device_id={path.rpartition('/')[2]}"
    assert http.get(ports, headers=demo).json()["ports"][0]["qos_policy_id"] == policy
    assert "at most 20 Mbit/s (calm)" in browser.get(path).text
    rate = {"traffic": "rate", "cap": "", "mbit": "30"}
    refused = browser.send("/servers/new", **order(browser, name="fast", **rate))
    assert refused.status_code >= 400
    assert "Mbit/s of the uplink" in refused.text
    plane.settle()
    assert "fast" not in browser.get("/servers").text, "none with another traffic than ordered"
    http.put("/billing/v1/uplink", json={"uplink": {"mbit": "100"}}, headers=admin)
    assert "Committed bandwidth" in browser.send("/servers/price", **order(browser, **rate)).text
    assert browser.send(path, act="traffic", **rate).status_code == 200
    assert http.get(ports, headers=demo).json()["ports"][0]["qos_policy_id"] is None
    assert "30 Mbit/s" in browser.get("/costs").text


def test_what_the_form_says_is_the_quote_and_the_first_charge(browser, plane, database):
    size = {"size": "free", "mhz": "2000", "cores": "1", "memory": "256", "disk": "2"}
    form = browser.send("/servers/price", **order(browser, **size)).text
    demo = token(browser, "demo")
    amounts = {"cpu_mhz": "2000", "memory_mib": "256", "storage_gib": "2"}
    items = [{"meter": meter, "amount": amount} for meter, amount in amounts.items()]
    asked = {"quote": {"items": items}}
    quote = browser.http.post("/billing/v1/quotes", json=asked, headers=demo).json()["quote"]
    assert f"{Decimal(quote['hourly']):.4f} USD" in form
    assert f"{Decimal(quote['total']):.2f} USD in a month" in form
    create(browser, plane, **size)
    cycles = billing.CycleReconciler(database, compute.end_usage_of_silent)
    for _ in range(4):
        plane.clock.advance(300)
        plane.settle()
        cycles.step([Item("billing_cycle", "region", 1, 1, 1, expired=False)])
    lines = browser.http.get("/billing/v1/ledger", headers=demo).json()["ledger"]
    # The project has a router, too, whose address costs something.
    ledger = [line for line in lines if line["meter"] in amounts]
    whole = max(line["billing_cycle"] for line in ledger)
    charged = -sum(Decimal(line["amount"]) for line in ledger if line["billing_cycle"] == whole)
    # Each line of a cycle of five minutes is rounded at the twentieth decimal.
    assert abs(12 * charged - Decimal(quote["hourly"])) < Decimal("1e-15")
    assert "CPU" in browser.get("/ledger").text
    (server,) = browser.http.get("/compute/v2.1/servers", headers=demo).json()["servers"]
    cost = browser.http.get(f"/billing/v1/usage/server/{server['id']}", headers=demo).json()["cost"]
    # The project has no other server and no other disk, and each cycle is rounded for itself.
    spent = -sum(Decimal(line["amount"]) for line in ledger)
    assert abs(Decimal(cost["total"]) - spent) < Decimal("1e-15")
    assert {line["meter"] for line in cost["lines"]} == set(amounts)
    assert "Cost in the last 30 days" in browser.get(f"/servers/{server['id']}").text
    others = token(browser, "admin")
    nothing = browser.http.get(f"/billing/v1/usage/server/{server['id']}", headers=others).json()["cost"]
    assert nothing["lines"] == []
    long_ago = f"/billing/v1/usage/server/{server['id']}?since=2020-01-01T00:00:00Z"
    assert browser.http.get(long_ago, headers=demo).status_code == 400


def token(browser, user: str) -> dict[str, str]:
    who = {"name": user, "domain": {"id": "default"}, "password": PASSWORDS[user]}
    scope = {"project": {"name": user, "domain": {"id": "default"}}}
    auth = {"identity": {"methods": ["password"], "password": {"user": who}}, "scope": scope}
    made = browser.http.post("/identity/v3/auth/tokens", json={"auth": auth})
    return {"X-Auth-Token": made.headers["x-subject-token"]}

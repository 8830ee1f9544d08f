"""Volumes, networks, routers, floating IPs, security groups and key pairs: each is made, connected and
deleted through its page."""

import re

import pytest

from tests.console.test_servers import create
from volutus import volume
from volutus.reconcile import Worker
from volutus.wire import BackupObserved

LISTS = (
    "/volumes",
    "/images",
    "/networks",
    "/routers",
    "/floating-ips",
    "/backups",
    "/load-balancers",
    "/security-groups",
    "/key-pairs",
)
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqKmHBzEzDXdPoqF8hxHRTl1W3wKJUcHxWJPjVzUZJk me"


def table(page: str) -> str:
    return page.partition("<table")[2].partition("</table>")[0]


def key_of(page: str, act: str, button: str) -> str:
    """The id in the form with that button."""
    for form in re.findall(r"<form.*?</form>", page, re.S):
        if f'name="act" value="{act}"' in form and button in form:
            found = re.search(r'name="id" value="([^"]+)"', form)
            assert found
            return str(found[1])
    raise AssertionError(f"no form to {act} with {button}")


def delete(browser, path: str, button: str) -> str:
    page = browser.send(path, act="delete", id=key_of(browser.get(path).text, "delete", button))
    assert page.status_code == 200, page.text
    return str(page.text)


@pytest.mark.parametrize("path", LISTS)
def test_every_list_answers_and_says_how_to_do_it_by_api(browser, path):
    page = browser.get(path)
    assert page.status_code == 200, page.text
    assert "Do this by API" in page.text
    assert "openstack " in page.text
    assert re.search(r'aria-current="page">[A-Z]', page.text)


def test_a_volume_is_made_attached_detached_and_deleted(browser, plane):
    path = create(browser, plane)
    assert "data-1" in table(browser.send("/volumes", act="create", name="data-1", size="3").text)
    plane.settle()
    assert "data-1" in table(browser.get("/volumes?q=data-1&status=available").text)
    assert "No volume yet" in browser.get("/volumes?q=other").text
    page = browser.get("/volumes").text
    assert "available" in page
    volume_id, server_id = key_of(page, "attach", "Attach data-1"), path.rpartition("/")[2]
    assert browser.send("/volumes", act="attach", id=volume_id, server=server_id).status_code == 200
    plane.settle()
    page = browser.get("/volumes").text
    assert "in-use" in page
    assert "web-1" in table(page)
    assert volume_id in browser.get(path).text
    browser.send("/volumes", act="detach", id=volume_id, server=server_id)
    plane.settle()
    assert "Deletion ordered" in delete(browser, "/volumes", "Delete data-1")
    plane.settle()
    assert "No volume yet" in browser.get("/volumes").text


def test_a_snapshot_is_taken_becomes_a_volume_and_is_deleted(browser, plane):
    browser.send("/volumes", act="create", name="data-1", size="3")
    plane.settle()
    key = key_of(browser.get("/volumes").text, "snapshot", "Take a snapshot of data-1")
    assert "monday" in table(browser.send("/volumes", act="snapshot", id=key, name="monday").text)
    plane.settle()
    page = browser.get("/snapshots").text
    assert ">data-1<" in table(page) and "available" in table(page)
    key = key_of(page, "volume", "Make a volume of monday")
    assert "copy" in table(browser.send("/snapshots", act="volume", id=key, name="copy").text)
    plane.settle()
    delete(browser, "/snapshots", "Delete monday")
    plane.settle()
    assert "No snapshot yet" in browser.get("/snapshots").text


def store_backups(plane) -> None:
    """The host does with backups what it was told, which its simple twin does not."""
    host, worker = plane.hosts[0], Worker(plane.database, [volume.BackupReconciler(plane.database)])
    worker.drain()
    host.look()
    told = {key: host.orders.pop(("backup", key)) for kind, key in list(host.orders) if kind == "backup"}
    gone = [key for key, one in told.items() if one.tombstone]
    kept = [
        BackupObserved(id=key, generation=one.generation, ready=True, stored_bytes=7)
        for key, one in told.items()
        if not one.tombstone
    ]
    with plane.database.begin() as tx:
        volume.backups.record_observed(tx, host.host_id, kept, gone)
    plane.clock.advance(10)
    worker.drain()


def test_a_backup_is_made_restored_and_deleted(browser, plane):
    assert "No backup yet" in browser.get("/backups").text
    browser.send("/volumes", act="create", name="data-1", size="2")
    plane.settle()
    volume = browser.option("/backups", "volume", "data-1")
    page = browser.send("/backups", act="create", name="nightly", volume=volume, incremental="")
    assert "nightly" in table(page.text), page.text
    store_backups(plane)
    page = browser.get("/backups").text
    assert "full copy" in table(page)
    key = key_of(page, "restore", "Restore nightly")
    restored = browser.send("/backups", act="restore", id=key, name="from-nightly")
    assert "from-nightly" in table(restored.text)
    plane.settle()
    assert browser.send("/backups", act="over", id=key, volume=volume).status_code == 200
    plane.settle()
    assert "deleting" in table(delete(browser, "/backups", "Delete nightly"))


def test_a_load_balancer_serves_is_watched_drained_and_deleted(browser, plane):
    create(browser, plane)
    subnet = browser.option("/load-balancers", "subnet", "private")
    order = {"name": "front", "subnet": subnet, "protocol": "TCP", "spread": "SOURCE_IP_PORT"}
    refused = browser.send("/load-balancers", act="create", **order, port="99999")
    assert refused.status_code == 400
    assert "front" not in table(refused.text), "nothing half made stays"
    page = browser.send("/load-balancers", act="create", **order, port="80")
    path = page.url.path
    assert "Behind TCP 80" in page.text
    pool = re.search(r'name="pool" value="([^"]+)"', page.text)
    target = re.search(r'<option value="([^"]+)">web-1 ', page.text)
    assert pool
    assert target
    page = browser.send(path, act="member", pool=pool[1], target=target[1], port="8080")
    assert f"{target[1].partition('/')[0]}:8080" in table(page.text)
    monitor = {"type": "HTTP", "delay": "5", "timeout": "2", "url_path": "/health"}
    page = browser.send(path, act="monitor", pool=pool[1], **monitor)
    assert "End the checks of TCP 80" in page.text
    member = re.search(r'name="member" value="([^"]+)"', page.text)
    assert member
    page = browser.send(path, act="drain", pool=pool[1], member=member[1])
    assert "Use it again" in table(page.text)
    page = browser.send(path, act="remove", pool=pool[1], member=member[1])
    assert "No server yet" in page.text
    outside = browser.option(path, "network", "public")
    page = browser.send(path, act="floating", network=outside)
    assert "<code>172.24.4." in page.text, page.text[page.text.find("alert") :][:600]
    listener = re.search(r'name="listener" value="([^"]+)"', page.text)
    assert listener
    assert "Behind" not in browser.send(path, act="unlisten", pool=pool[1], listener=listener[1]).text
    assert "No load balancer yet" in delete(browser, "/load-balancers", "Delete front")


def test_a_refused_volume_keeps_what_was_typed(browser):
    page = browser.send("/volumes", act="create", name="huge", size="99999999")
    assert page.status_code >= 400
    assert 'value="huge"' in page.text
    assert "req-" in page.text
    assert browser.send("/volumes", act="create", name="odd", size="many").status_code == 400


def test_a_network_is_made_with_its_range_and_deleted(browser):
    page = browser.send("/networks", act="create", name="back", cidr="10.9.0.0/24", dns="9.9.9.9")
    assert "10.9.0.0/24" in table(page.text)
    assert "Delete public" not in page.text, "somebody else's"
    assert "10.9.0.0/24" not in table(delete(browser, "/networks", "Delete back"))


def test_a_network_with_a_bad_range_is_not_left(browser):
    page = browser.send("/networks", act="create", name="back", cidr="nonsense")
    assert page.status_code == 400
    assert "back" not in table(page.text)


def test_a_router_is_made_connected_disconnected_and_deleted(browser):
    browser.send("/networks", act="create", name="back", cidr="10.9.0.0/24")
    outside = browser.option("/routers", "outside", "public")
    page = browser.send("/routers", act="create", name="edge", outside=outside)
    assert "edge" in table(page.text)
    router_id = key_of(page.text, "connect", "Connect to edge")
    subnet = re.search(r'<option value="([^"]+)">back 10.9.0.0/24', page.text)
    assert subnet
    page = browser.send("/routers", act="connect", id=router_id, subnet=subnet[1])
    assert page.status_code == 200, page.text
    router = next(row for row in table(page.text).split("<tr>") if ">edge<" in row)
    assert ">back 10.9.0.0/24<" in router
    refused = browser.send("/routers", act="delete", id=router_id)
    assert refused.status_code == 409
    assert "try again" in refused.text
    assert browser.send("/routers", act="disconnect", id=router_id, subnet=subnet[1]).status_code == 200
    assert ">edge<" not in table(delete(browser, "/routers", "Delete edge"))


def test_a_floating_ip_is_got_assigned_unassigned_and_given_back(browser, plane):
    path = create(browser, plane)
    outside = browser.option("/floating-ips", "network", "public")
    page = browser.send("/floating-ips", act="create", network=outside).text
    address = re.search(r"<code>(172\.24\.4\.\d+)</code>", page)
    assert address
    port = re.search(r'<option value="([^"]+)">web-1 ', page)
    assert port
    key = key_of(page, "assign", address[1])
    page = browser.send("/floating-ips", act="assign", id=key, port=port[1])
    assert page.status_code == 200, page.text
    assert f'<a href="{path}">web-1' in page.text
    assert address[1] in browser.get(path).text
    assert ">none<" in table(browser.send("/floating-ips", act="unassign", id=key).text)
    assert "No floating IP yet" in delete(browser, "/floating-ips", f"Delete {address[1]}")


def test_a_security_group_is_made_with_rules_and_deleted(browser):
    page = browser.send("/security-groups", act="create", name="web", description="the front")
    path = page.url.path
    page = browser.send(
        path, act="create", direction="ingress", protocol="tcp", ports="8000-8080", family="IPv4",
        remote_ip_prefix="203.0.113.0/24",
    )  # fmt: skip
    assert page.status_code == 200, page.text
    assert "8000-8080" in table(page.text)
    assert "203.0.113.0/24" in table(page.text)
    refused = browser.send(
        path, act="create", direction="ingress", protocol="tcp", ports="99999", family="IPv4"
    )
    assert refused.status_code == 400
    assert 'value="99999"' in refused.text
    assert "8000-8080" not in table(delete(browser, path, "Delete rule in IPv4 tcp 8000-8080"))
    assert ">web<" not in table(delete(browser, "/security-groups", "Delete web"))


def test_key_pairs_are_made_brought_and_deleted(browser):
    page = browser.send("/key-pairs", act="make", name="made")
    assert "PRIVATE KEY" in page.text
    listed = browser.get("/key-pairs").text
    assert "made" in table(listed)
    assert "PRIVATE KEY" not in listed
    browser.send("/key-pairs", act="import", name="mine", public_key=PUBLIC_KEY)
    assert "mine" in table(browser.get("/key-pairs").text)
    refused = browser.send("/key-pairs", act="import", name="bad", public_key="no key")
    assert refused.status_code == 400
    delete(browser, "/key-pairs", "Delete made")
    assert "made" not in table(browser.get("/key-pairs").text)


def test_an_image_of_others_cannot_be_deleted_here(browser):
    page = browser.get("/images").text
    assert "public" in table(page)
    assert 'value="delete"' not in page


@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>", '"><script>alert(1)</script>'])
def test_names_everywhere_are_shown_not_run(browser, plane, name):
    browser.send("/volumes", act="create", name=name, size="1")
    browser.send("/networks", act="create", name=name, cidr="10.9.0.0/24")
    browser.send("/routers", act="create", name=name)
    browser.send("/security-groups", act="create", name=name, description=name)
    for path in (*LISTS, "/", "/servers/new"):
        page = browser.get(path).text
        assert "<script>alert" not in page
        assert "<img" not in page


@pytest.mark.parametrize(
    ("user", "path", "form"),
    [
        ("demo", "/budgets", {"amount": "50"}),
        ("demo", "/application-credentials", {"description": "for the pipeline"}),
        ("demo", "/images", {"format": "raw"}),
        ("admin", "/admin/projects", {"description": "a team's"}),
        ("admin", "/admin/users", {"password": "correct horse battery", "email": "one@example.com"}),
    ],
)
def test_what_a_menu_entry_makes_it_deletes(visitor, user, path, form):
    visitor.sign_in(user, project=user)
    assert visitor.send(path, act="create", name="passing", **form).status_code == 200
    rows = visitor.get(path).text.partition('id="live"')[2].split("<tr")
    (row,) = (one for one in rows if "passing" in one)
    assert "Delete passing" in row
    key = re.search(r'id="do-delete-([^"]+)"', row)
    assert key
    page = visitor.send(path, act="delete", id=key[1])
    assert page.status_code == 200 and "passing" not in page.text

"""What operators see: work that does not get on, and who changed what."""

import re

from tests.console.test_servers import create
from volutus import reconcile
from volutus.reconcile import Again


def test_stuck_work_says_what_it_waits_for(browser, visitor, plane, database):
    with database.begin() as tx:
        reconcile.wake(tx, "volume", "volume-1")
    with database.begin() as tx:
        (item,) = reconcile.take(tx, {"volume": 1}, 30)
    with database.begin() as tx:
        reconcile.finish(tx, item, Again(60, "for host-1 to make the disk", failed=True))
    visitor.sign_in("admin", project="admin")
    page = visitor.get("/admin/work").text
    assert "for host-1 to make the disk" in page
    assert "volume-1" in page
    assert "volume-1" in visitor.get("/admin/work?which=all").text


def test_changes_are_found_by_object_user_and_request(browser, visitor, plane):
    server_id = create(browser, plane).rpartition("/")[2]
    token = visitor.http.cookies["volutus_session"]
    assert browser.get("/admin/audit").status_code == 403
    visitor.sign_in("admin", project="admin")
    assert visitor.http.cookies["volutus_session"] != token
    page = visitor.get(f"/admin/audit?q={server_id}").text
    assert "compute.server: create" in page
    request_id = page.partition("<code>req-")[2].partition("</code>")[0]
    assert server_id in visitor.get(f"/admin/audit?request_id=req-{request_id}").text
    assert "No record fits" in visitor.get(f"/admin/audit?q={server_id}&user_id=nobody").text
    for nonsense in ("marker=x", "marker=" + "9" * 40, "q=%00", "user_id=%FF"):
        assert visitor.get(f"/admin/audit?{nonsense}").status_code in (200, 400), nonsense


def test_a_host_is_shown_with_its_servers_and_gets_no_more(browser, visitor, plane):
    create(browser, plane)
    visitor.sign_in("admin", project="admin")
    page = visitor.get("/admin/hosts").text
    key = page.partition('href="/admin/hosts/')[2].partition('"')[0]
    shown = visitor.get(f"/admin/hosts/{key}").text
    assert "web-1" in shown and ">demo</a>" in shown, "projects by their names"
    (service,) = set(re.findall(r'name="id" value="([^"]+)"', page))
    refused = visitor.send("/admin/hosts", act="disable", id=service, why="new disks").text
    assert "Enable" in refused
    assert "No host has so much room" in visitor.get("/admin/placement").text
    assert "Disable host-1" in visitor.send("/admin/hosts", act="enable", id=service).text


def test_placement_says_where_a_size_fits_and_groups_hosts(visitor, plane):
    visitor.sign_in("admin", project="admin")
    page = visitor.get("/admin/placement?mhz=2500&cores=1&memory=4096").text
    # Of 16 GiB one is the host's own.
    assert "3 servers of this size fit" in page and "host-1" in page
    assert "No host has so much room" in visitor.get("/admin/placement?memory=99999999").text
    for nonsense in ("mhz=x", "memory=-1", "disk=" + "9" * 40, "mhz=0&cores=0&memory=0&disk=0"):
        assert visitor.get(f"/admin/placement?{nonsense}").status_code == 200, nonsense
    made = visitor.send("/admin/placement", act="create", name="fast", zone="zone-2")
    assert made.url.path == "/admin/placement" and "fast" in made.text
    key = made.text.partition('name="id" value="')[2].partition('"')[0]
    page = visitor.send("/admin/placement", act="add", id=key, host="host-1").text
    assert "Remove from fast" in page and page.count("zone-2") > 1, "the host is in the zone now"
    refused = visitor.send("/admin/placement", act="delete", id=key)
    assert refused.status_code in (400, 409) and "fast" in refused.text
    visitor.send("/admin/placement", act="remove", id=key, host="host-1")
    assert "Delete fast" not in visitor.send("/admin/placement", act="delete", id=key).text

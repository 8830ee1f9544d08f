"""Servers over HTTP: shapes, versions, filters, pages, refusals."""

import base64

import pytest
from sqlalchemy import text

from tests.api.compute.conftest import ROOT
from tests.conftest import make_caller

IMAGE = "11111111-2222-3333-4444-555555555555"


def body(**changes):
    return {"server": {"name": "one", "flavorRef": "c1", "imageRef": IMAGE, "networks": "auto", **changes}}


def make(nova, plane, **changes):
    answer = nova.post(f"{ROOT}/servers", body(**changes))
    assert answer.status_code == 202, answer.text
    plane.settle()
    return answer.json()["server"]["id"]


def at(nova, version, **who):
    return nova.as_(make_caller(**who), X_OpenStack_Nova_API_Version=version)


def test_a_server_is_answered_before_it_is_built(nova, plane):
    answer = nova.post(f"{ROOT}/servers", body(security_groups=[{"name": "default"}]))
    assert answer.status_code == 202
    server = answer.json()["server"]
    assert set(server) == {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"}
    assert answer.headers["Location"] == server["links"][0]["href"]
    shown = nova.get(f"{ROOT}/servers/{server['id']}").json()["server"]
    assert (shown["status"], shown["OS-EXT-STS:task_state"], shown["progress"]) == ("BUILD", "scheduling", 0)
    assert "security_groups" not in shown
    plane.settle()
    shown = nova.get(f"{ROOT}/servers/{server['id']}").json()["server"]
    assert (shown["status"], shown["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)
    (address,) = shown["addresses"]["private"]
    assert (address["version"], address["OS-EXT-IPS:type"]) == (4, "fixed")
    assert shown["flavor"]["id"] == "c1"
    assert shown["security_groups"] == [{"name": "default"}]


def test_changes_until_the_second_that_is_shown(nova, plane, database):
    one = nova.post(f"{ROOT}/servers", body()).json()["server"]["id"]
    with database.begin() as tx:
        tx.execute(text("UPDATE servers SET updated_at = '2026-01-02T03:04:05.9Z'"))
    newest = at(nova, "2.66")
    shown = newest.get(f"{ROOT}/servers/{one}").json()["server"]["updated"]
    for before, listed in ((shown, [one]), ("2026-01-02T03:04:04Z", [])):
        found = newest.get(f"{ROOT}/servers?changes-before={before}").json()["servers"]
        assert [server["id"] for server in found] == listed


# Since when a field is shown: to members, to administrators.
FIELDS = [
    ("2.1", "OS-EXT-AZ:availability_zone", True, True),
    ("2.1", "OS-EXT-SRV-ATTR:host", False, True),
    ("2.3", "OS-EXT-SRV-ATTR:user_data", False, True),
    ("2.9", "locked", True, True),
    ("2.16", "host_status", False, True),
    ("2.19", "description", True, True),
    ("2.26", "tags", True, True),
    ("2.63", "trusted_image_certificates", True, True),
    ("2.71", "server_groups", True, True),
    ("2.73", "locked_reason", True, True),
    ("2.90", "OS-EXT-SRV-ATTR:hostname", True, True),
    ("2.96", "pinned_availability_zone", True, True),
]


@pytest.mark.parametrize(("since", "field", "for_members", "for_admins"), FIELDS)
def test_fields_appear_with_their_version(nova, plane, since, field, for_members, for_admins):
    server_id = nova.post(f"{ROOT}/servers", body()).json()["server"]["id"]
    minor = int(since.split(".")[1])
    for role, shown in (("member", for_members), ("admin", for_admins)):
        answer = at(nova, since, role=role).get(f"{ROOT}/servers/{server_id}")
        assert answer.headers["OpenStack-API-Version"] == f"compute {since}"
        assert (field in answer.json()["server"]) == shown
        if minor > 1:
            before = at(nova, f"2.{minor - 1}", role=role).get(f"{ROOT}/servers/{server_id}").json()["server"]
            # An administrator sees the host name earlier than a member.
            assert field not in before or (field.endswith("hostname") and role == "admin")


def test_the_flavor_is_embedded_since_2_47(nova, plane):
    server_id = nova.post(f"{ROOT}/servers", body(flavorRef="500mhz-1c-64m-1g")).json()["server"]["id"]
    assert nova.get(f"{ROOT}/servers/{server_id}").json()["server"]["flavor"]["id"] == "500mhz-1c-64m-1g"
    flavor = at(nova, "2.47").get(f"{ROOT}/servers/{server_id}").json()["server"]["flavor"]
    assert (flavor["original_name"], flavor["vcpus"], flavor["ram"]) == ("500mhz-1c-64m-1g", 1, 64)
    assert flavor["extra_specs"] == {"volutus:mhz": "500"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "server.name"),
        ({"name": "   "}, "name"),
        ({"name": "x" * 256}, "server.name"),
        ({"flavorRef": "none"}, "none"),
        ({"imageRef": ""}, "imageRef"),
        ({"imageRef": "66666666-2222-3333-4444-555555555555"}, "image"),
        ({"key_name": "none"}, "key_name provided: you have no key pair 'none'"),
        ({"user_data": "no base 64"}, "base 64"),
        ({"networks": "some"}, "networks"),
        ({"networks": [{"tag": "x"}]}, "networks"),
        ({"networks": [{"uuid": "66666666-2222-3333-4444-555555555555"}]}, "66666666"),
        ({"security_groups": [{"name": "none"}]}, "none"),
        ({"accessIPv4": "1.2.3"}, "accessIPv4"),
        ({"min_count": 3, "max_count": 2}, "min_count"),
        ({"min_count": "x"}, "min_count"),
        ({"metadata": {"k": "v" * 256}}, "metadata"),
        ({"OS-DCF:diskConfig": "SOME"}, "diskConfig"),
        ({"unheard_of": 1}, "unheard_of"),
        ({"description": "too early"}, "description"),
        ({"block_device_mapping_v2": [{"source_type": "moon"}]}, "source_type"),
    ],
)
def test_a_wrong_order_is_refused_by_name(nova, plane, changes, field):
    answer = nova.post(f"{ROOT}/servers", body(**changes))
    assert answer.status_code == 400, answer.text
    (fault,) = answer.json().values()
    assert fault["code"] == answer.status_code
    assert field in fault["message"]
    assert nova.get(f"{ROOT}/servers").json()["servers"] == []


def test_another_project_finds_nothing_at_all(nova, plane):
    server_id = make(nova, plane)
    stranger = nova.as_(make_caller("project-b", user="user-b"))
    paths = [
        "",
        "/metadata",
        "/ips",
        "/os-volume_attachments",
        "/os-interface",
        "/os-instance-actions",
        "/tags",
    ]
    for path in paths:
        answer = stranger.get(f"{ROOT}/servers/{server_id}{path}")
        assert (answer.status_code, list(answer.json())) == (404, ["itemNotFound"]), path
    assert stranger.delete(f"{ROOT}/servers/{server_id}").status_code == 404
    for action in (
        {"os-stop": None},
        {"reboot": {"type": "HARD"}},
        {"os-getConsoleOutput": {}},
        {"lock": None},
    ):
        assert stranger.post(f"{ROOT}/servers/{server_id}/action", action).status_code == 404
    assert stranger.get(f"{ROOT}/servers/detail").json() == {"servers": []}
    assert stranger.get(f"{ROOT}/servers?all_tenants=1").status_code == 403
    everyone = nova.as_(make_caller("project-b", "admin", user="root"))
    assert len(everyone.get(f"{ROOT}/servers?all_tenants=1").json()["servers"]) == 1
    owner = plane.caller.project_id
    # Nova ignores a project named without asking for all of them.
    assert everyone.get(f"{ROOT}/servers?tenant_id={owner}").json() == {"servers": []}
    assert len(everyone.get(f"{ROOT}/servers?all_tenants=1&tenant_id={owner}").json()["servers"]) == 1
    assert nova.get(f"{ROOT}/servers?limit=0").json() == {"servers": []}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name=we", {"web-1", "web-2"}),
        ("name=^web-1$", {"web-1"}),
        ("status=ACTIVE", {"web-1", "web-2", "db"}),
        ("status=active&name=db", {"db"}),
        ("status=SHUTOFF", set()),
        ("status=NOSUCH", set()),
        ("flavor=c2", {"db"}),
        (f"image={IMAGE}", {"web-1", "web-2", "db"}),
        ("key_name=none", set()),
        ("ip=^10.0", {"web-1", "web-2", "db"}),
        ("ip=192.168", set()),
        ("changes-since=2020-01-01T00:00:00Z", {"web-1", "web-2", "db"}),
        ("changes-since=2030-01-01T00:00:00Z", set()),
        ("tags=x", {"db"}),
        ("not-tags=x", {"web-1", "web-2"}),
        ("tags-any=x,y", {"db"}),
        ("host=nowhere", {"web-1", "web-2", "db"}),
    ],
)
def test_lists_are_filtered(nova, plane, query, names):
    nova.post(f"{ROOT}/servers", body(name="web", max_count=2))
    newer = at(nova, "2.52")
    newer.post(f"{ROOT}/servers", body(name="db", flavorRef="c2", tags=["x"]))
    plane.settle()
    found = newer.get(f"{ROOT}/servers?{query}").json()["servers"]
    assert {server["name"] for server in found} == names


def test_pages_link_to_the_next_until_the_end(nova, plane):
    nova.post(f"{ROOT}/servers", body(name="n", max_count=5))
    names, url = [], f"{ROOT}/servers?limit=2&sort_key=display_name&sort_dir=asc"
    while url:
        page = nova.get(url.replace("http://testserver", "")).json()
        names += [server["name"] for server in page["servers"]]
        url = page["servers_links"][0]["href"] if "servers_links" in page else None
    assert names == ["n-1", "n-2", "n-3", "n-4", "n-5"]
    refused = nova.get(f"{ROOT}/servers?marker=none")
    # The client decides by these words whether it was a name.
    assert (refused.status_code, "marker [none] not found" in refused.text) == (400, True)


ACTIONS = [
    ({"os-stop": None}, 202, "SHUTOFF"),
    ({"reboot": {"type": "SOFT"}}, 202, "ACTIVE"),
    ({"reboot": {"type": "HARD"}}, 202, "ACTIVE"),
    ({"reboot": {"type": "GENTLE"}}, 400, "ACTIVE"),
    ({"os-start": None}, 409, "ACTIVE"),
    ({"lock": None}, 202, "ACTIVE"),
    ({"lock": {"locked_reason": "too early"}}, 400, "ACTIVE"),
    ({"os-getConsoleOutput": {"length": 5}}, 200, "ACTIVE"),
    ({"addSecurityGroup": {"name": "none"}}, 404, "ACTIVE"),
    ({"addSecurityGroup": {}}, 400, "ACTIVE"),
    ({"os-resetState": {"state": "error"}}, 403, "ACTIVE"),
    ({"forceDelete": None}, 202, None),
    ({"fly": None}, 400, "ACTIVE"),
    ({"os-stop": None, "os-start": None}, 400, "ACTIVE"),
]


@pytest.mark.parametrize(("action", "code", "status"), ACTIONS)
def test_actions(nova, plane, action, code, status):
    server_id = make(nova, plane)
    answer = nova.post(f"{ROOT}/servers/{server_id}/action", action)
    assert answer.status_code == code, answer.text
    if code == 409:
        assert "in vm_state active: it must be " in answer.text
    plane.settle()
    shown = nova.get(f"{ROOT}/servers/{server_id}")
    assert shown.json()["server"]["status"] == status if status else shown.status_code == 404


def test_steps_have_the_names_that_clients_wait_for(nova, plane):
    url = f"{ROOT}/servers/{make(nova, plane)}"
    (card,) = nova.get(f"{url}/os-interface").json()["interfaceAttachments"]
    answer = nova.delete(f"{url}/os-interface/{card['port_id']}")
    plane.settle()
    asked = f"{url}/os-instance-actions/{answer.headers['X-OpenStack-Request-Id']}"
    (event,) = at(nova, "2.62").get(asked).json()["instanceAction"]["events"]
    assert (event["event"], event["result"]) == ("compute_detach_interface", "Success")


def test_what_was_done_is_told(nova, plane):
    server_id = make(nova, plane)
    nova.post(f"{ROOT}/servers/{server_id}/action", {"os-stop": None})
    plane.settle()
    newer = at(nova, "2.62")
    actions = newer.get(f"{ROOT}/servers/{server_id}/os-instance-actions").json()["instanceActions"]
    assert {action["action"] for action in actions} == {"create", "stop"}
    one = newer.get(f"{ROOT}/servers/{server_id}/os-instance-actions/{actions[0]['request_id']}").json()
    assert one["instanceAction"]["events"][0]["result"] == "Success"
    built = newer.get(f"{ROOT}/servers/{server_id}/os-instance-actions/{actions[1]['request_id']}").json()
    events = built["instanceAction"]["events"]
    assert [event["event"] for event in events[1:]] == ["schedule", "network", "spawn"]
    assert all(event["result"] == "Success" and event["finish_time"] for event in events)
    nova.delete(f"{ROOT}/servers/{server_id}")
    plane.settle()
    # What was done is told of deleted servers too.
    assert newer.get(f"{ROOT}/servers/{server_id}/os-instance-actions").status_code == 200


def test_metadata_and_tags(nova, plane):
    server_id = make(nova, plane, metadata={"a": "1"})
    url = f"{ROOT}/servers/{server_id}/metadata"
    assert nova.post(url, {"metadata": {"b": "2"}}).json() == {"metadata": {"a": "1", "b": "2"}}
    assert nova.put(f"{url}/c", {"meta": {"c": "3"}}).json() == {"meta": {"c": "3"}}
    assert nova.put(f"{url}/c", {"meta": {"d": "3"}}).status_code == 400
    assert nova.put(url, {"metadata": {"z": "9"}}).json() == {"metadata": {"z": "9"}}
    assert nova.delete(f"{url}/z").status_code == 204
    assert nova.get(f"{url}/z").status_code == 404
    plane.settle()
    (guest,) = plane.hosts[0].guests.values()
    assert '"meta": {}' in guest.spec.metadata["openstack/latest/meta_data.json"]
    tags = f"{ROOT}/servers/{server_id}/tags"
    assert nova.put(tags, {"tags": ["x", "y"]}).json() == {"tags": ["x", "y"]}
    assert nova.put(f"{tags}/z").status_code == 201
    assert nova.put(f"{tags}/z").status_code == 204
    assert nova.get(f"{tags}/none").status_code == 404
    assert nova.delete(tags).status_code == 204


def test_a_quota_is_told_as_forbidden(nova, plane):
    admin = nova.as_(make_caller(role="admin"))
    assert admin.put(f"{ROOT}/os-quota-sets/project-a", {"quota_set": {"instances": 1}}).status_code == 200
    nova.post(f"{ROOT}/servers", body())
    refused = nova.post(f"{ROOT}/servers", body())
    assert (refused.status_code, list(refused.json())) == (403, ["forbidden"])
    assert "instances" in refused.json()["forbidden"]["message"]
    assert nova.put(f"{ROOT}/os-quota-sets/project-a", {"quota_set": {"instances": 9}}).status_code == 403
    assert nova.get(f"{ROOT}/limits").json()["limits"]["absolute"]["totalInstancesUsed"] == 1


def test_no_capacity_is_told_in_the_fault(nova, plane):
    server_id = make(nova, plane, flavorRef="1000mhz-1c-50000m-1g")
    server = nova.get(f"{ROOT}/servers/{server_id}").json()["server"]
    assert server["status"] == "ERROR"
    assert server["fault"]["message"].startswith("No valid host was found.")
    (action,) = nova.get(f"{ROOT}/servers/{server_id}/os-instance-actions").json()["instanceActions"]
    assert action["message"].startswith("No valid host was found.")
    assert nova.delete(f"{ROOT}/servers/{server_id}").status_code == 204


def test_operators_see_how_many_guests_run(nova, plane):
    server_id = make(nova, plane)
    admin = at(nova, "2.1", role="admin")

    def running():
        (line,) = admin.get(f"{ROOT}/os-hypervisors/detail").json()["hypervisors"]
        sums = admin.get(f"{ROOT}/os-hypervisors/statistics").json()["hypervisor_statistics"]
        return line["running_vms"], sums["running_vms"]

    assert running() == (1, 1)
    nova.post(f"{ROOT}/servers/{server_id}/action", {"os-stop": None})
    plane.settle()
    assert running() == (0, 0)


def test_user_data_and_keys_reach_the_guest(nova, plane):
    pair = nova.post(f"{ROOT}/os-keypairs", {"keypair": {"name": "me"}}).json()["keypair"]
    assert "PRIVATE KEY" in pair["private_key"]
    wrong = {"keypair": {"name": "other", "public_key": pair["private_key"]}}
    refused = nova.post(f"{ROOT}/os-keypairs", wrong)
    assert (refused.status_code, "this is a private key" in refused.text) == (400, True)
    script = base64.b64encode(b"#!/bin/sh\ntrue\n").decode()
    make(nova, plane, key_name="me", user_data=script)
    (guest,) = plane.hosts[0].guests.values()
    assert pair["public_key"] in guest.spec.metadata["openstack/latest/meta_data.json"]
    assert guest.spec.metadata["openstack/latest/user_data"] == "#!/bin/sh\ntrue\n"


def test_lists_cost_the_same_for_few_and_many(nova, plane, database):
    counted = []
    for count in (2, 30):
        nova.as_(make_caller(role="admin")).put(
            f"{ROOT}/os-quota-sets/project-a", {"quota_set": {"instances": 99, "cores": 99, "mhz": -1}}
        )
        assert nova.post(f"{ROOT}/servers", body(max_count=count)).status_code == 202
        with Counting(database) as statements:
            assert nova.get(f"{ROOT}/servers/detail").status_code == 200
        counted.append(len(statements))
    assert counted[0] == counted[1]
    assert counted[0] <= 5


class Counting:
    """The statements sent within the block."""

    def __init__(self, database):
        from sqlalchemy import event

        self._event, self._target, self.seen = event, database._connection, []

    def _note(self, _conn, _cursor, statement, *_):
        self.seen.append(statement)

    def __enter__(self):
        self._event.listen(self._target, "before_cursor_execute", self._note)
        return self.seen

    def __exit__(self, *_):
        self._event.remove(self._target, "before_cursor_execute", self._note)

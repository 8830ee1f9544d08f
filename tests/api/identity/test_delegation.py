"""What users hand on: application credentials with access rules, trusts, passcodes, keys."""

import base64

import pytest

from tests.api.identity.conftest import Cloud, Session
from tests.identity.conftest import DEMO_PASSWORD
from volutus.identity import totp

SECRET = base64.b32encode(b"twenty bytes of seed").decode()


class Program:
    """Someone who signs in with an application credential of demo's."""

    def __init__(self, cloud: Cloud, demo: Session, **attributes: object) -> None:
        self.path = f"/users/{cloud.made.demo_user_id}/application_credentials"
        self.made = demo.make(self.path, "application_credential", name="program", **attributes)
        self.cloud = cloud

    def attempt(self, scope: object = None, **proof: object):
        shown = proof or {"id": self.made["id"], "secret": self.made["secret"]}
        identity = {"methods": ["application_credential"], "application_credential": shown}
        return self.cloud.attempt_with(identity, scope)

    def session(self) -> Session:
        answer = self.attempt()
        assert answer.status_code == 201, answer.text
        session = Session(self.cloud.http, answer.headers["X-Subject-Token"])
        session.body = answer.json()["token"]
        return session


def test_a_program_signs_in_by_id_and_by_name(cloud, demo):
    program = Program(cloud, demo)
    token = program.session().body
    assert token["project"]["id"] == cloud.made.demo_project_id
    assert token["application_credential"] == {
        "id": program.made["id"],
        "name": "program",
        "restricted": True,
    }
    assert token["methods"] == ["application_credential"]
    secret = program.made["secret"]
    user = {"name": "demo", "domain": {"id": "default"}}
    assert program.attempt(name="program", user=user, secret=secret).status_code == 201
    assert (
        program.attempt(name="program", user={"id": cloud.made.demo_user_id}, secret=secret).status_code
        == 201
    )
    assert program.attempt(id=program.made["id"], secret="wrong").status_code == 401
    assert program.attempt(id="0" * 32, secret=secret).status_code == 401
    assert program.attempt(cloud.project("demo")).status_code == 401


def test_the_secret_is_told_once(cloud, demo):
    program = Program(cloud, demo, secret="chosen words")
    assert program.made["secret"] == "chosen words"
    shown = demo.get(f"{program.path}/{program.made['id']}").json()["application_credential"]
    assert "secret" not in shown
    assert demo.get(f"{program.path}?name=program").json()["application_credentials"] == [shown]
    assert demo.post(program.path, {"application_credential": {"name": "program"}}).status_code == 409


def test_it_expires_with_all_its_tokens(cloud, demo):
    program = Program(cloud, demo, expires_at="2026-11-21T13:00:00.5")
    assert program.made["expires_at"] == "2026-11-21T13:00:00.500000"
    session = program.session()
    assert session.body["expires_at"] == "2026-11-21T13:00:00.500000Z"
    cloud.clock.advance(3601)
    assert session.get("/auth/projects").status_code == 401
    assert program.attempt().status_code == 401
    past = {"application_credential": {"name": "late", "expires_at": "2026-11-21T12:00:00"}}
    assert cloud.demo().post(program.path, past).status_code == 400


def test_it_can_have_fewer_roles_but_not_more(cloud, demo):
    fewer = Program(cloud, demo, roles=[{"name": "reader"}])
    assert [role["name"] for role in fewer.session().body["roles"]] == ["reader"]
    more = {"application_credential": {"name": "more", "roles": [{"name": "admin"}]}}
    assert demo.post(fewer.path, more).status_code == 400


@pytest.mark.parametrize(("unrestricted", "status"), [(False, 403), (True, 201)])
def test_only_an_unrestricted_one_makes_others(cloud, demo, unrestricted, status):
    program = Program(cloud, demo, unrestricted=unrestricted)
    other = {"application_credential": {"name": "other"}}
    assert program.session().post(program.path, other).status_code == status
    assert program.session().delete(f"{program.path}/{program.made['id']}").status_code in (204, 403)


def test_its_token_is_not_traded(cloud, demo):
    session = Program(cloud, demo).session()
    proof = {"methods": ["token"], "token": {"id": session.token}}
    assert cloud.attempt_with(proof, "unscoped").status_code == 403


def test_access_rules_bind_its_tokens(cloud, demo):
    rules = [
        {"service": "identity", "method": "GET", "path": "/v3/auth/*"},
        {"service": "identity", "method": "GET", "path": "/v3/users/{user_id}"},
    ]
    program = Program(cloud, demo, access_rules=rules)
    session = program.session()
    user = f"/users/{cloud.made.demo_user_id}"
    assert session.get("/auth/projects").status_code == 200
    assert session.get(user).status_code == 200
    assert session.get(f"{user}/projects").status_code == 401
    assert session.get("/regions").status_code == 401
    assert session.delete("/auth/tokens", headers={"X-Subject-Token": session.token}).status_code == 401


def test_rules_are_kept_apart_and_used_again(cloud, demo):
    rule = {"service": "compute", "method": "GET", "path": "/v2.1/servers"}
    program = Program(cloud, demo, access_rules=[rule])
    (made,) = program.made["access_rules"]
    path = f"/users/{cloud.made.demo_user_id}/access_rules"
    assert demo.delete(f"{path}/{made['id']}").status_code == 403
    again = demo.make(program.path, "application_credential", name="again", access_rules=[{"id": made["id"]}])
    assert again["access_rules"] == [made]
    for credential in (program.made, again):
        assert demo.delete(f"{program.path}/{credential['id']}").status_code == 204
    assert [r["id"] for r in demo.get(path).json()["access_rules"]] == [made["id"]]
    assert demo.delete(f"{path}/{made['id']}").status_code == 204
    assert demo.get(f"{path}/{made['id']}").status_code == 404


def test_empty_lists_mean_all_roles_and_all_requests(cloud, demo):
    session = Program(cloud, demo, roles=[], access_rules=[]).session()
    assert [role["name"] for role in session.body["roles"]] == ["member", "reader"]
    assert session.get("/regions").status_code == 200


def test_an_admin_cannot_make_one_for_another(cloud, admin):
    path = f"/users/{cloud.made.demo_user_id}/application_credentials"
    assert admin.post(path, {"application_credential": {"name": "n"}}).status_code == 403


class Trusted:
    """demo trusts a new user with role reader in project demo."""

    def __init__(self, cloud: Cloud, admin: Session, demo: Session, **attributes: object) -> None:
        self.cloud = cloud
        self.trustee = admin.make("/users", "user", name="trustee", password="pw")["id"]
        self.made = demo.make(
            "/OS-TRUST/trusts",
            "trust",
            **{
                "trustor_user_id": cloud.made.demo_user_id,
                "trustee_user_id": self.trustee,
                "project_id": cloud.made.demo_project_id,
                "impersonation": True,
                "roles": [{"name": "reader"}],
            }
            | attributes,
        )

    def attempt(self):
        return self.cloud.attempt("trustee", "pw", {"OS-TRUST:trust": {"id": self.made["id"]}})


@pytest.mark.parametrize("impersonation", [True, False])
def test_a_trustee_acts_with_the_trusted_roles(cloud, admin, demo, impersonation):
    trusted = Trusted(cloud, admin, demo, impersonation=impersonation)
    token = trusted.attempt().json()["token"]
    assert token["user"]["id"] == (cloud.made.demo_user_id if impersonation else trusted.trustee)
    assert [role["name"] for role in token["roles"]] == ["reader"]
    assert token["project"]["id"] == cloud.made.demo_project_id
    assert token["OS-TRUST:trust"]["id"] == trusted.made["id"]


def test_a_trust_ends_with_what_it_stands_on(cloud, admin, demo):
    trusted = Trusted(cloud, admin, demo)
    session = Session(cloud.http, trusted.attempt().headers["X-Subject-Token"])
    assert session.get("/auth/projects").status_code == 200
    admin.patch(f"/users/{trusted.trustee}", {"user": {"enabled": False}})
    assert session.get("/auth/projects").status_code == 401
    admin.patch(f"/users/{trusted.trustee}", {"user": {"enabled": True}})
    assert session.get("/auth/projects").status_code == 200
    assert demo.delete(f"/OS-TRUST/trusts/{trusted.made['id']}").status_code == 204
    assert session.get("/auth/projects").status_code == 401
    assert trusted.attempt().status_code == 403


def test_a_trust_has_its_number_of_uses_and_its_term(cloud, admin, demo):
    trusted = Trusted(cloud, admin, demo, remaining_uses=1, expires_at="2026-11-21T13:00:00Z")
    assert trusted.attempt().status_code == 201
    assert trusted.attempt().status_code == 403
    cloud.clock.advance(3601)
    assert demo.get(f"/OS-TRUST/trusts/{trusted.made['id']}").status_code == 404


def test_nobody_trusts_with_what_he_has_not(cloud, admin, demo):
    trust = {
        "trustor_user_id": cloud.made.demo_user_id,
        "trustee_user_id": cloud.made.admin_user_id,
        "project_id": cloud.made.demo_project_id,
        "impersonation": False,
    }
    for roles in ([{"name": "admin"}], []):
        assert demo.post("/OS-TRUST/trusts", {"trust": {**trust, "roles": roles}}).status_code == 403
    assert (
        admin.post("/OS-TRUST/trusts", {"trust": {**trust, "roles": [{"name": "reader"}]}}).status_code == 403
    )


def test_a_passcode_signs_in_once(cloud, demo):
    demo.make("/credentials", "credential", user_id=cloud.made.demo_user_id, type="totp", blob=SECRET)
    step = int(cloud.clock.now().timestamp()) // totp.STEP_S

    def attempt(code: str):
        user = {"id": cloud.made.demo_user_id, "passcode": code}
        return cloud.attempt_with({"methods": ["totp"], "totp": {"user": user}})

    code = totp.code(SECRET, step)
    assert attempt("000000").status_code == 401
    assert attempt(code).json()["token"]["methods"] == ["totp"]
    assert attempt(code).status_code == 401
    assert attempt(totp.code(SECRET, step - 5)).status_code == 401


def test_a_user_can_need_two_proofs(cloud, admin, demo):
    user_id = cloud.made.demo_user_id
    demo.make("/credentials", "credential", user_id=user_id, type="totp", blob=SECRET)
    rules = {"options": {"multi_factor_auth_rules": [["password", "totp"]]}}
    assert admin.patch(f"/users/{user_id}", {"user": rules}).status_code == 200
    assert cloud.attempt("demo", DEMO_PASSWORD).status_code == 401
    code = totp.code(SECRET, int(cloud.clock.now().timestamp()) // totp.STEP_S)
    both = {
        "methods": ["password", "totp"],
        "password": {"user": {"id": user_id, "password": DEMO_PASSWORD}},
        "totp": {"user": {"id": user_id, "passcode": code}},
    }
    assert cloud.attempt_with(both).json()["token"]["methods"] == ["password", "totp"]


def test_rfc_6238s_own_example():
    assert totp.code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 59 // totp.STEP_S) == "287082"


def test_ec2_keys_are_a_kind_of_credential(cloud, demo, admin):
    path = f"/users/{cloud.made.demo_user_id}/credentials/OS-EC2"
    made = demo.post(path, {"tenant_id": cloud.made.demo_project_id}).json()["credential"]
    assert made["access"] and made["secret"]
    assert demo.get(f"{path}/{made['access']}").json()["credential"] == made
    (listed,) = demo.get("/credentials?type=ec2").json()["credentials"]
    assert made["access"] in listed["blob"]
    assert demo.delete(f"{path}/{made['access']}").status_code == 204
    assert demo.get(path).json()["credentials"] == []


def test_blobs_are_sealed_at_rest(cloud, demo, database):
    from sqlalchemy import text

    demo.make("/credentials", "credential", user_id=cloud.made.demo_user_id, type="cert", blob="the blob")
    with database.begin() as tx:
        assert "the blob" not in tx.value(text("SELECT sealed_blob FROM identity_credential"))

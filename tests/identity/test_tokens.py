"""What ends a token: each change counts from the next request on."""

import pytest
from sqlalchemy import text

from volutus.db import Page
from volutus.errors import Unauthenticated
from volutus.identity import application_credentials, assignments, domains, groups, projects, roles, users
from volutus.identity.application_credentials import ApplicationCredentialFields
from volutus.identity.assignments import Grant
from volutus.identity.caller import CLOUD, Caller
from volutus.identity.domains import DomainFields
from volutus.identity.groups import GroupFields
from volutus.identity.payload import ScopeKind
from volutus.identity.projects import ProjectFields
from volutus.identity.records import Filter
from volutus.identity.roles import RoleFields
from volutus.identity.sign_in import ApplicationCredentialProof, Attempt, NameOrId, Scope, sign_in
from volutus.identity.users import UserFields


class World:
    """A domain with a user who is a member of one project."""

    def __init__(self, tx, identity) -> None:
        self.tx, self.identity = tx, identity
        self.domain = domains.create(tx, CLOUD, DomainFields("d"), {}).id
        self.project = projects.create(tx, CLOUD, ProjectFields("p", self.domain), {}).id
        self.user = users.create(
            tx, CLOUD, identity.passwords, UserFields("u", self.domain, password="pw"), {}
        ).id
        self.grant = Grant(user_id=self.user, project_id=self.project)
        assignments.give(tx, CLOUD, self.grant, self.role("member"))

    def role(self, name: str) -> str:
        (row,) = roles.list_(self.tx, CLOUD, Page(), [Filter("name", name)])
        return row.id

    def token(self, scope: Scope | None = None) -> str:
        wanted = scope or Scope(ScopeKind.PROJECT, NameOrId(self.project))
        attempt = Attempt(("password",), password=(NameOrId(self.user), "pw"), scope=wanted)
        return sign_in(self.tx, self.identity, attempt).text

    def caller(self, token: str) -> Caller:
        return self.identity.tokens.authenticate(self.tx, token)

    def is_good(self, token: str) -> bool:
        try:
            self.caller(token)
        except Unauthenticated:
            return False
        return True


@pytest.fixture
def world(tx, identity, made) -> World:
    return World(tx, identity)


def disable_user(w: World) -> None:
    users.change(w.tx, CLOUD, w.identity.passwords, w.user, UserFields(enabled=False), {})


def change_password(w: World) -> None:
    users.change(w.tx, CLOUD, w.identity.passwords, w.user, UserFields(password="new"), {})


def change_own_password(w: World) -> None:
    users.change_own_password(w.tx, w.identity.passwords, w.user, "pw", "new")


ENDS = {
    "the user is disabled": disable_user,
    "the user is deleted": lambda w: users.remove(w.tx, CLOUD, w.user),
    "an admin sets another password": change_password,
    "the user sets another password": change_own_password,
    "the project is disabled": lambda w: projects.change(
        w.tx, CLOUD, w.project, ProjectFields(enabled=False), {}
    ),
    "the project is deleted": lambda w: projects.remove(w.tx, CLOUD, w.project),
    "the domain is disabled": lambda w: domains.change(
        w.tx, CLOUD, w.domain, DomainFields(enabled=False), {}
    ),
    "the last role is taken": lambda w: assignments.take(w.tx, CLOUD, w.grant, w.role("member")),
    "the last role is deleted": lambda w: roles.remove(w.tx, CLOUD, w.role("member")),
    "it is revoked": lambda w: w.identity.tokens.revoke(
        w.tx, CLOUD, w.identity.tokens.get(w.tx, w.tx.connection.info["token"])
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_token_ends_when(world, end):
    token = world.token()
    world.tx.connection.info["token"] = token
    assert world.is_good(token)
    ENDS[end](world)
    assert not world.is_good(token)


COME_BACK = {
    "user": (
        disable_user,
        lambda w: users.change(w.tx, CLOUD, w.identity.passwords, w.user, UserFields(enabled=True), {}),
    ),
    "project": (
        ENDS["the project is disabled"],
        lambda w: projects.change(w.tx, CLOUD, w.project, ProjectFields(enabled=True), {}),
    ),
    "domain": (
        ENDS["the domain is disabled"],
        lambda w: domains.change(w.tx, CLOUD, w.domain, DomainFields(enabled=True), {}),
    ),
}


@pytest.mark.parametrize("what", COME_BACK)
def test_enabling_again_does_not_bring_old_tokens_back(world, what):
    token = world.token()
    disable, enable = COME_BACK[what]
    disable(world)
    enable(world)
    assert not world.is_good(token)
    assert world.is_good(world.token())


def test_changes_of_roles_count_at_once(world):
    token = world.token()
    assert world.caller(token).roles == {"member", "reader"}
    assignments.give(world.tx, CLOUD, world.grant, world.role("manager"))
    assert world.caller(token).roles == {"manager", "member", "reader"}
    assignments.take(world.tx, CLOUD, world.grant, world.role("manager"))
    assignments.take(world.tx, CLOUD, world.grant, world.role("member"))
    assignments.give(world.tx, CLOUD, world.grant, world.role("reader"))
    assert world.caller(token).roles == {"reader"}


def test_roles_come_from_groups_from_above_and_by_implication(world):
    tx = world.tx
    child = projects.create(tx, CLOUD, ProjectFields("c", parent_id=world.project), {}).id
    in_child = Scope(ScopeKind.PROJECT, NameOrId(child))
    with pytest.raises(Unauthenticated):
        world.token(in_child)
    group = groups.create(tx, CLOUD, GroupFields("g", world.domain), {}).id
    groups.add_member(tx, CLOUD, group, world.user)
    inherited = Grant(group_id=group, project_id=world.project, inherited=True)
    assignments.give(tx, CLOUD, inherited, world.role("manager"))
    token = world.token(in_child)
    assert world.caller(token).roles == {"manager", "member", "reader"}
    assert world.caller(world.token()).roles == {"member", "reader"}, "inherited counts below, not in itself"
    groups.remove_member(tx, CLOUD, group, world.user)
    assert not world.is_good(token)


def test_inherited_from_the_domain_counts_in_all_its_projects_and_not_in_it(world):
    grant = Grant(user_id=world.user, domain_id=world.domain, inherited=True)
    assignments.give(world.tx, CLOUD, grant, world.role("admin"))
    assert "admin" in world.caller(world.token()).roles
    with pytest.raises(Unauthenticated):
        world.token(Scope(ScopeKind.DOMAIN, NameOrId(world.domain)))


def test_a_domains_role_counts_by_what_it_implies_alone(world):
    role = roles.create(world.tx, CLOUD, RoleFields("local", world.domain), {}).id
    roles.imply(world.tx, CLOUD, role, world.role("manager"))
    assignments.give(world.tx, CLOUD, world.grant, role)
    assert world.caller(world.token()).roles == {"manager", "member", "reader"}


def test_a_credential_has_no_more_than_its_maker_has_now(world):
    maker = world.caller(world.token())
    fields = ApplicationCredentialFields("program")
    made = application_credentials.create(world.tx, maker, world.identity.passwords, world.user, fields)
    proof = ApplicationCredentialProof(made.secret, id=made.id)
    attempt = Attempt(("application_credential",), application_credential=proof)
    token = sign_in(world.tx, world.identity, attempt).text
    assert world.caller(token).roles == {"member", "reader"}
    assignments.give(world.tx, CLOUD, world.grant, world.role("admin"))
    assert world.caller(token).roles == {"member", "reader"}
    assignments.take(world.tx, CLOUD, world.grant, world.role("admin"))
    assignments.take(world.tx, CLOUD, world.grant, world.role("member"))
    assert not world.is_good(token)
    assignments.give(world.tx, CLOUD, world.grant, world.role("reader"))
    assert world.caller(token).roles == {"reader"}
    application_credentials.remove(world.tx, maker, world.user, made.id)
    assert not world.is_good(token)


def test_revoked_ids_are_swept_once_their_tokens_have_expired(world, clock):
    tokens = world.identity.tokens
    tokens.revoke(world.tx, CLOUD, tokens.get(world.tx, world.token()))
    world.tx.now = world.tx.now.replace(day=26)
    tokens.revoke(world.tx, CLOUD, tokens.get(world.tx, world.token()))
    assert world.tx.value(text("SELECT count(*) FROM identity_revoked_token")) == 1

"""Random histories of role assignments, held against a small model of Keystone's rules.

The model knows nothing of SQL: it walks groups, inheritance and implication one step at a time. Set
`VOLUTUS_FUZZ_EXAMPLES` for a long run; a failure prints the history that made it.
"""

import os
from dataclasses import dataclass, field
from itertools import product

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from tests.identity.conftest import BEGINNINGS
from volutus.identity import assignments, bootstrap, domains, groups, open_identity, projects, roles, users
from volutus.identity.assignments import Grant, Query
from volutus.identity.caller import CLOUD
from volutus.identity.grants import Question, standing
from volutus.identity.passwords import HashCost
from volutus.identity.payload import ScopeKind

EXAMPLES = int(os.environ.get("VOLUTUS_FUZZ_EXAMPLES", "8"))
STEPS = 24
USERS, GROUPS = ("u0", "u1"), ("g0", "g1")
# A tree within one domain, and a project of another.
PROJECTS = {"top": None, "left": "top", "leaf": "left", "right": "top", "away": None}
DOMAIN_OF = {"top": "d0", "left": "d0", "leaf": "d0", "right": "d0", "away": "d1"}
ROLES = ("r0", "r1", "r2", "r3", "private")

grants = st.tuples(
    st.sampled_from(["give", "give", "give", "take"]),
    st.sampled_from(USERS + GROUPS),
    st.sampled_from((*PROJECTS, "d0", "d1", "system")),
    st.booleans(),
    st.sampled_from(ROLES),
)
# Mostly grants, and many: few of them, and hardly two ever meet.
steps = st.one_of(
    st.tuples(st.sampled_from(["join", "join", "leave"]), st.sampled_from(USERS), st.sampled_from(GROUPS)),
    st.tuples(st.just("imply"), st.sampled_from(ROLES), st.sampled_from(ROLES[:4])),
    grants,
    grants,
    grants,
)
histories = st.lists(steps, min_size=STEPS, max_size=STEPS)


@dataclass
class Model:
    """What was given, and what that means."""

    members: set[tuple[str, str]] = field(default_factory=set)
    implied: set[tuple[str, str]] = field(default_factory=set)
    given: set[tuple[str, str, bool, str]] = field(default_factory=set)

    def reach(self, role):
        """The role and all that it implies."""
        found, new = set(), {role}
        while new:
            found |= new
            new = {i for p, i in self.implied if p in new} - found
        return found

    def above(self, project):
        found = []
        while (project := PROJECTS[project]) is not None:
            found.append(project)
        return found

    def roles(self, user, place):
        """What a user may call himself there. A role of a domain counts only by what it implies."""
        actors = {user} | {g for u, g in self.members if u == user}
        found = set()
        for actor, where, inherited, role in self.given:
            here = where == place and not inherited
            if place in PROJECTS and inherited:
                here = where == DOMAIN_OF[place] or where in self.above(place)
            if actor in actors and here:
                found |= self.reach(role)
        return found - {"private"}


class World:
    """The same steps on the real thing. Names stand for ids."""

    def __init__(self, tx, identity):
        self.tx = tx
        bootstrap(tx, identity, BEGINNINGS)
        self.ids = {d: domains.create(tx, CLOUD, domains.DomainFields(d), {}).id for d in ("d0", "d1")}
        for name, parent in PROJECTS.items():
            at = self.ids[DOMAIN_OF[name]]
            fields = projects.ProjectFields(name, at, self.ids[parent] if parent else at)
            self.ids[name] = projects.create(tx, CLOUD, fields, {}).id
        for name in USERS:
            fields = users.UserFields(name, self.ids["d0"])
            self.ids[name] = users.create(tx, CLOUD, identity.passwords, fields, {}).id
        for name in GROUPS:
            self.ids[name] = groups.create(tx, CLOUD, groups.GroupFields(name, self.ids["d0"]), {}).id
        for name in ROLES:
            domain_id = self.ids["d0"] if name == "private" else None
            self.ids[name] = roles.create(tx, CLOUD, roles.RoleFields(name, domain_id), {}).id

    def grant(self, actor, place, inherited):
        who = "user_id" if actor in USERS else "group_id"
        if place == "system":
            return Grant(**{who: self.ids[actor]}, system=True)
        where = "project_id" if place in PROJECTS else "domain_id"
        return Grant(**{who: self.ids[actor], where: self.ids[place]}, inherited=inherited)

    def roles(self, user, place):
        kind = ScopeKind.SYSTEM if place == "system" else ScopeKind.PROJECT
        kind = ScopeKind.DOMAIN if place in ("d0", "d1") else kind
        found = standing(self.tx, Question(self.ids[user], kind, self.ids.get(place)))
        return {role.name for role in found.roles}

    def effective(self):
        """The same as the list of effective assignments tells it."""
        names = {v: k for k, v in self.ids.items()}
        rows = assignments.list_(self.tx, CLOUD, Query(effective=True))
        return {
            (names[r.user_id], "system" if r.system else names[r.project_id or r.domain_id], r.role_name)
            for r in rows
            if r.user_id in names
        }


def _take_step(model, world, step):
    """The same step on both; one that makes no sense is left out."""
    kind, *words = step
    if kind in ("join", "leave"):
        pair = tuple(words)
        change = groups.add_member if kind == "join" else groups.remove_member
        if kind == "join" or pair in model.members:
            change(world.tx, CLOUD, world.ids[words[1]], world.ids[words[0]])
            (model.members.add if kind == "join" else model.members.discard)(pair)
    elif kind == "imply":
        prior, implied = words
        if prior not in model.reach(implied):
            roles.imply(world.tx, CLOUD, world.ids[prior], world.ids[implied])
            model.implied.add((prior, implied))
    else:
        actor, place, inherited, role = words
        inherited = inherited and place != "system"
        entry = (actor, place, inherited, role)
        if kind == "give":
            assignments.give(world.tx, CLOUD, world.grant(actor, place, inherited), world.ids[role])
            model.given.add(entry)
        elif entry in model.given:
            assignments.take(world.tx, CLOUD, world.grant(actor, place, inherited), world.ids[role])
            model.given.discard(entry)


@pytest.fixture
def world(tx, settings):
    return World(tx, open_identity(settings, HashCost.least()))


def test_roles_are_those_of_the_model(world):
    @bounds(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize="VOLUTUS_FUZZ_EXAMPLES" not in os.environ,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(histories)
    def history(taken):
        model, point = Model(), world.tx.connection.begin_nested()
        try:
            for step in taken:
                _take_step(model, world, step)
            expected = {
                (user, place): model.roles(user, place)
                for user, place in product(USERS, (*PROJECTS, "d0", "d1", "system"))
            }
            assert {key: world.roles(*key) for key in expected} == expected
            told = {(user, place, role) for (user, place), found in expected.items() for role in found}
            assert world.effective() == told
        finally:
            point.rollback()

    history()

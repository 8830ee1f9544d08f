"""The operator's rules on passwords, and how often one may try."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.identity.conftest import DEMO_PASSWORD
from volutus.errors import Invalid, TooOften, Unauthenticated
from volutus.identity import users
from volutus.identity.caller import CLOUD
from volutus.identity.password_rules import HISTORY_MAX, PasswordRules
from volutus.identity.passwords import HashCost, Passwords
from volutus.identity.sign_in import Attempt, NameOrId, PasswordExpired, sign_in
from volutus.identity.throttle import Throttle
from volutus.identity.users import UserFields
from volutus.settings import Settings

CHEAP = HashCost.least()
DAY = timedelta(days=1)


class World:
    """The user demo under some rules."""

    def __init__(self, tx, identity, made, **rules):
        self.tx, self.user_id = tx, made.demo_user_id
        self.passwords = Passwords(CHEAP, PasswordRules(**rules))
        self.identity = replace(identity, passwords=self.passwords)

    def change(self, old, new):
        users.change_own_password(self.tx, self.passwords, self.user_id, old, new)

    def reset(self, password, **options):
        fields = UserFields(password=password, options=options)
        return users.change(self.tx, CLOUD, self.passwords, self.user_id, fields, {})

    def sign_in(self, password):
        proof = (NameOrId(id=self.user_id), password)
        return sign_in(self.tx, self.identity, Attempt(("password",), password=proof))

    def pass_days(self, days):
        self.tx.now += days * DAY


@pytest.fixture
def world(tx, identity, made):
    return lambda **rules: World(tx, identity, made, **rules)


def test_the_last_passwords_are_refused(world):
    demo = world(history=3)
    demo.change(DEMO_PASSWORD, "second")
    demo.change("second", "third")
    for used in (DEMO_PASSWORD, "second", "third"):
        with pytest.raises(Invalid, match="last 3"):
            demo.change("third", used)
    demo.change("third", "fourth")
    demo.change("fourth", DEMO_PASSWORD)


def test_without_history_only_the_present_one_is_refused(world):
    demo = world()
    with pytest.raises(Invalid):
        demo.change(DEMO_PASSWORD, DEMO_PASSWORD)
    demo.change(DEMO_PASSWORD, "second")
    demo.change("second", DEMO_PASSWORD)


def test_an_administrator_is_not_bound_by_history_but_by_strength(world):
    demo = world(history=3, pattern=r"^(?=.*\d).{8,}$", pattern_description="eight characters, one a digit")
    demo.reset("password 1")
    demo.reset("password 1")
    for refuse in (lambda: demo.reset("weak"), lambda: demo.change("password 1", "weak")):
        with pytest.raises(Invalid, match="eight characters, one a digit") as told:
            refuse()
        assert told.value.field == "user.password"


def test_a_password_expires_and_can_still_be_changed(world):
    demo = world(max_age=90 * DAY)
    demo.change(DEMO_PASSWORD, "second")
    demo.pass_days(89)
    demo.sign_in("second")
    demo.pass_days(1)
    with pytest.raises(PasswordExpired):
        demo.sign_in("second")
    demo.change("second", "third")
    demo.sign_in("third")
    demo.reset("fourth", ignore_password_expiry=True)
    demo.pass_days(1000)
    demo.sign_in("fourth")


def test_what_an_administrator_set_is_changed_on_first_use(world):
    demo = world(change_on_first_use=True)
    demo.reset("given")
    with pytest.raises(PasswordExpired):
        demo.sign_in("given")
    demo.change("given", "own")
    demo.sign_in("own")
    demo.reset("given", ignore_change_password_upon_first_use=True)
    demo.sign_in("given")


def test_ones_own_password_has_a_least_age(world):
    demo = world(min_age=2 * DAY)
    demo.change(DEMO_PASSWORD, "second")
    demo.pass_days(1)
    with pytest.raises(Invalid, match="minimum age"):
        demo.change("second", "third")
    demo.reset("given")
    demo.change("given", "third")


def test_failures_lock_for_the_time_set(world):
    demo = world(lockout_failures=2, lockout=timedelta(seconds=5))
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            demo.sign_in("wrong")
    with pytest.raises(Unauthenticated):
        demo.sign_in(DEMO_PASSWORD)
    demo.tx.now += timedelta(seconds=6)
    demo.sign_in(DEMO_PASSWORD)


def test_without_lock_out_nobody_is_locked(world):
    demo = world(lockout_failures=0)
    for _ in range(12):
        with pytest.raises(Unauthenticated):
            demo.sign_in("wrong")
    demo.sign_in(DEMO_PASSWORD)


def test_so_many_attempts_a_minute(clock):
    throttle = Throttle(3)
    for _ in range(3):
        throttle.admit("demo", clock.now())
    with pytest.raises(TooOften) as told:
        throttle.admit("demo", clock.now())
    assert told.value.retry_after_s == 20
    throttle.admit("another", clock.now())
    clock.advance(20)
    throttle.admit("demo", clock.now())
    with pytest.raises(TooOften):
        throttle.admit("demo", clock.now())


def test_no_limit_on_attempts(clock):
    throttle = Throttle(0)
    for _ in range(100):
        throttle.admit("demo", clock.now())


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"password_pattern": "("}, "password_pattern"),
        ({"password_history": HISTORY_MAX + 1}, "password_history"),
    ],
)
def test_rules_that_cannot_be_are_refused(settings, field):
    with pytest.raises(Invalid) as told:
        PasswordRules.from_settings(replace(Settings(), **settings))
    assert told.value.field == field

"""Hashing: equal cost for all refusals, and a bound on how much of it there is at once."""

import threading

import pytest

from volutus.errors import Invalid, Unauthenticated, Unavailable
from volutus.identity import passwords as module
from volutus.identity.passwords import HashCost, Passwords, draw_hash, draw_secret
from volutus.identity.sign_in import NameOrId, prove_password

CHEAP = HashCost.least()


def test_a_password_matches_its_hash_alone():
    passwords = Passwords(CHEAP)
    stored = passwords.hash("right")
    assert passwords.matches(stored, "right")
    assert not passwords.matches(stored, "wrong")
    assert not passwords.matches(None, "right")
    assert not passwords.matches("no hash at all", "right")


def test_a_drawn_secret_matches_its_hash_alone():
    passwords, secret = Passwords(CHEAP), draw_secret()
    assert passwords.matches(draw_hash(secret), secret)
    assert not passwords.matches(draw_hash(secret), draw_secret())


@pytest.mark.parametrize("password", ["", "x" * (module.PASSWORD_MAX + 1)])
def test_lengths_are_bounded(password):
    with pytest.raises(Invalid):
        Passwords(CHEAP).hash(password)


def test_a_hash_of_another_cost_is_outdated():
    assert Passwords(HashCost(16, 2)).is_outdated(Passwords(CHEAP).hash("x"))
    assert not Passwords(CHEAP).is_outdated(Passwords(CHEAP).hash("x"))


def test_more_than_may_wait_are_sent_away():
    passwords = Passwords(HashCost(memory_kib=64 * 1024, passes=3))
    refused: list[bool] = []

    def attempt() -> None:
        try:
            passwords.matches(None, "x")
        except Unavailable:
            refused.append(True)

    threads = [
        threading.Thread(target=attempt) for _ in range(module.HASHES_AT_ONCE + module.WAITING_MAX + 3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(refused) <= 3
    assert not passwords.matches(None, "x")


def test_all_refusals_hash_once_and_write_once(tx, identity, made, monkeypatch):
    """Whatever is wrong, the work is the same: so is the time."""
    seen: dict[str, tuple[int, int]] = {}
    for name, password in (("demo", "wrong"), ("nobody", "wrong")):
        hashes = []
        verify = type(identity.passwords._hasher).verify
        monkeypatch.setattr(
            type(identity.passwords._hasher),
            "verify",
            lambda self, *a, done=hashes, real=verify: (done.append(1), real(self, *a))[1],
        )
        before = tx.statements
        with pytest.raises(Unauthenticated):
            prove_password(tx, identity.passwords, NameOrId(name=name, domain_id="default"), password)
        seen[name] = (len(hashes), tx.statements - before)
        monkeypatch.undo()
    assert seen["demo"] == seen["nobody"] == (1, 2)


def test_a_hash_of_yesterdays_cost_is_renewed_at_sign_in(tx, identity, made):
    dearer = Passwords(HashCost(16, 2))
    who = NameOrId(name="demo", domain_id="default")
    assert dearer.is_outdated(prove_password(tx, dearer, who, "demo's password").password_hash)
    assert not dearer.is_outdated(prove_password(tx, dearer, who, "demo's password").password_hash)

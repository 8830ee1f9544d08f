"""Key pairs: made, imported, refused."""

import subprocess

import pytest

from tests.conftest import make_caller
from volutus import quota
from volutus.compute import key_pairs
from volutus.compute.faults import KeyPairExists, KeyPairInvalid, KeyPairNotFound
from volutus.compute.key_pairs import KeyPairOrder
from volutus.db import Page
from volutus.errors import QuotaExceeded


@pytest.mark.parametrize(("algorithm", "kind"), [("ed25519", "ssh-ed25519"), ("rsa", "ssh-rsa")])
def test_a_key_is_made_and_its_private_part_shown_once(tx, caller, tmp_path, algorithm, kind):
    made = key_pairs.create(tx, caller, KeyPairOrder("mine", algorithm=algorithm))
    assert made.public_key.startswith(kind)
    assert key_pairs.get(tx, caller, "mine").private_key is None
    path = tmp_path / "key"
    path.write_text(made.private_key)
    path.chmod(0o600)
    # OpenSSH itself must read the private part and find the public one in it.
    said = subprocess.run(["ssh-keygen", "-y", "-f", path], capture_output=True, text=True, check=True).stdout
    assert said.split()[:2] == made.public_key.split()[:2]
    command = ["ssh-keygen", "-l", "-E", "md5", "-f", path]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert made.fingerprint in shown


def test_a_certificate_is_made_and_its_key_shown_once(tx, caller, tmp_path):
    made = key_pairs.create(tx, caller, KeyPairOrder("windows", type="x509"))
    assert made.type == "x509" and "PRIVATE KEY" in made.private_key
    path = tmp_path / "certificate"
    path.write_text(made.public_key)
    command = ["openssl", "x509", "-noout", "-fingerprint", "-sha1", "-in", path]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert made.fingerprint.upper() in shown
    brought = key_pairs.create(tx, caller, KeyPairOrder("brought", made.public_key, type="x509"))
    assert (brought.fingerprint, brought.private_key) == (made.fingerprint, None)


@pytest.mark.parametrize(
    "order",
    [
        KeyPairOrder("bad", "not a certificate", type="x509"),
        KeyPairOrder("bad", "not a key"),
        KeyPairOrder("bad", "ssh-rsa AAAA"),
        KeyPairOrder("bad", "ssh-ed25519 " + "A" * 68),
        KeyPairOrder("", None),
        KeyPairOrder("tab\there", None),
        KeyPairOrder(" around ", None),
        KeyPairOrder("x" * 256, None),
    ],
)
def test_what_is_no_key_is_refused(tx, caller, order):
    with pytest.raises(KeyPairInvalid):
        key_pairs.create(tx, caller, order)


def test_names_are_a_users_own(tx, caller):
    key_pairs.create(tx, caller, KeyPairOrder("mine"))
    with pytest.raises(KeyPairExists):
        key_pairs.create(tx, caller, KeyPairOrder("mine"))
    other = make_caller(user="user-b")
    key_pairs.create(tx, other, KeyPairOrder("mine"))
    key_pairs.remove(tx, other, "mine")
    assert [pair.name for pair in key_pairs.list_(tx, caller, Page())] == ["mine"]
    with pytest.raises(KeyPairNotFound):
        key_pairs.get(tx, other, "mine", caller.user_id)


def test_there_is_a_limit(tx, caller):
    quota.set_limits(tx, caller.project_id, {"key_pairs": 1})
    key_pairs.create(tx, caller, KeyPairOrder("one"))
    with pytest.raises(QuotaExceeded):
        key_pairs.create(tx, caller, KeyPairOrder("two"))

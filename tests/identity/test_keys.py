"""Key repositories: rotation keeps live tokens readable, and other processes notice it."""

import stat

import pytest

from volutus.cli.parser import parse
from volutus.errors import Unavailable
from volutus.identity.keys import KEYS_KEPT, KeyRepository


def test_rotation_is_seen_by_other_processes_and_keeps_what_was_sealed(tmp_path):
    one, other = KeyRepository(tmp_path / "keys"), KeyRepository(tmp_path / "keys")
    one.ensure()
    sealed = one.seal(b"before", 0)
    assert other.open(sealed) == b"before"
    assert one.rotate() == 2
    assert other.open(one.seal(b"after", 0)) == b"after"
    assert other.open(sealed) == b"before"


def test_a_host_that_lags_one_rotation_reads_the_new_tokens(tmp_path):
    ahead = KeyRepository(tmp_path / "ahead")
    ahead.ensure()
    (tmp_path / "behind").mkdir()
    for key in (tmp_path / "ahead").iterdir():
        (tmp_path / "behind" / key.name).write_bytes(key.read_bytes())
    ahead.rotate()
    assert KeyRepository(tmp_path / "behind").open(ahead.seal(b"new", 0)) == b"new"


def test_old_keys_are_dropped(tmp_path):
    keys = KeyRepository(tmp_path / "keys")
    keys.ensure()
    sealed = keys.seal(b"old", 0)
    for _ in range(KEYS_KEPT):
        keys.rotate()
    assert keys.open(sealed) is None
    assert len(list((tmp_path / "keys").iterdir())) == KEYS_KEPT


def test_keys_are_for_their_owner_alone(tmp_path):
    keys = KeyRepository(tmp_path / "keys")
    keys.ensure()
    assert {stat.S_IMODE(key.stat().st_mode) for key in (tmp_path / "keys").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_without_keys_the_cloud_says_so(tmp_path):
    with pytest.raises(Unavailable):
        KeyRepository(tmp_path / "none").open("x")


def test_ensure_changes_nothing_that_is_there(tmp_path):
    keys = KeyRepository(tmp_path / "keys")
    keys.ensure()
    before = {key.name: key.read_bytes() for key in (tmp_path / "keys").iterdir()}
    keys.ensure()
    assert {key.name: key.read_bytes() for key in (tmp_path / "keys").iterdir()} == before


def test_the_operators_command_rotates_the_keys_that_seal_tokens(settings, capsys, monkeypatch):
    monkeypatch.delenv("VOLUTUS_TEST_POSTGRES", raising=False)
    arguments = parse(["identity", "rotate-keys", "--state-dir", str(settings.state_dir)])
    keys = KeyRepository(settings.secrets_dir / "fernet")
    keys.ensure()
    sealed = keys.seal(b"live", 0)
    assert arguments.run(arguments) == 0
    assert capsys.readouterr().out == "Key 2 seals tokens now.\n"
    assert keys.open(sealed) == b"live"

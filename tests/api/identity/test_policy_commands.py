"""`volutus policy`: what is in force, and mistakes in the operator's own file."""

import argparse

import pytest

from volutus import main
from volutus.cli import identity as commands


@pytest.fixture
def run(settings, capsys, monkeypatch):
    monkeypatch.delenv("VOLUTUS_TEST_POSTGRES", raising=False)

    def one(command, rules="", **words):
        path = settings.state_dir / main.POLICY_OVERRIDE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rules)
        code = command(argparse.Namespace(state_dir=settings.state_dir, **words))
        return code, capsys.readouterr().out

    return one


def test_the_list_shows_what_is_in_force_and_what_was_changed(run):
    code, told = run(commands.list_policy, '"identity:users:list" = "admin or project_manager"\n')
    lines = {line.split()[0]: line for line in told.splitlines()}
    assert code == 0
    assert lines["identity:users:list"].split("  ", 1)[1].strip().startswith("admin or project_manager   # ")
    assert "instead of admin or system_reader or domain_reader" in lines["identity:users:list"]
    assert "#" not in lines["identity:users:change"]


def test_a_file_without_mistakes_passes(run):
    code, told = run(commands.check_policy, '"identity:users:list" = "admin"\n', permission=None)
    assert (code, "no mistakes" in told) == (0, True)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('"identity:users:lsit" = "admin"\n', "identity:users:lsit"),
        ('"identity:users:list" = "emperor"\n', "emperor"),
        ('identity:users:list = "admin"\n', "policy.toml"),
        ("[identity]\nusers = 1\n", "identity"),
    ],
)
def test_mistakes_are_named(run, rules, said):
    code, told = run(commands.check_policy, rules, permission=None)
    assert (code, said in told) == (1, True), told


def test_one_permission_is_looked_up(run):
    code, told = run(commands.check_policy, permission="identity:users:list")
    assert (code, told.strip()) == (0, "identity:users:list: admin or system_reader or domain_reader")
    assert run(commands.check_policy, permission="identity:nothing")[0] == 1

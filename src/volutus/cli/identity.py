"""`volutus identity` and `volutus policy`: the keys that seal tokens, and who may do what."""

import argparse
import sys

from volutus import settings as settings_module
from volutus.errors import Invalid


def rotate_keys(arguments: argparse.Namespace) -> int:
    """Seal new tokens with the next key. Live tokens stay good unless keys are rotated again and again within
    a token's life. On many control hosts, copy `secrets/fernet` to all of them before the next rotation."""
    from volutus.identity import open_identity

    settings = settings_module.current(arguments.state_dir)
    primary = open_identity(settings).token_keys.rotate()
    sys.stdout.write(f"Key {primary} seals tokens now.\n")
    return 0


def list_policy(arguments: argparse.Namespace) -> int:
    """Every permission and who has it; those that the operator's own file sets are marked."""
    from volutus import main

    settings = settings_module.current(arguments.state_dir)
    shipped, in_force = main.shipped_policy().rules(), main.policy(settings).rules()
    width = max(len(name) for name in in_force)
    for name, rule in in_force.items():
        note = (
            ""
            if shipped.get(name) == rule
            else f"   # {main.POLICY_OVERRIDE}: instead of {shipped.get(name)}"
        )
        sys.stdout.write(f"{name:<{width}}  {rule}{note}\n")
    return 0


def check_policy(arguments: argparse.Namespace) -> int:
    """1 where the operator's file has a permission that no route asks for, or a persona that there is not;
    of one permission, who has it."""
    from volutus import main

    settings = settings_module.current(arguments.state_dir)
    path = settings.state_dir / main.POLICY_OVERRIDE
    try:
        in_force = main.policy(settings).rules()
    except Invalid as error:
        sys.stdout.write(f"{path}: {error.message}\n")
        return 1
    unknown = sorted(in_force.keys() - main.shipped_policy().rules().keys())
    for name in unknown:
        sys.stdout.write(f"{path}: no part of this cloud asks for {name!r}\n")
    if arguments.permission is not None:
        rule = in_force.get(arguments.permission)
        sys.stdout.write(f"{arguments.permission}: {rule or 'there is no such permission'}\n")
        return 0 if rule and not unknown else 1
    if not unknown:
        sys.stdout.write(f"{len(in_force)} permissions, no mistakes.\n")
    return 1 if unknown else 0

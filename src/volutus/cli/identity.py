"""`volutus identity`: the keys that seal tokens."""

import argparse
import sys

from volutus import settings as settings_module


def rotate_keys(arguments: argparse.Namespace) -> int:
    """Seal new tokens with the next key. Live tokens stay good unless keys are rotated again and again within
    a token's life. On many control hosts, copy `secrets/fernet` to all of them before the next rotation."""
    from volutus.identity import open_identity

    settings = settings_module.current(arguments.state_dir)
    primary = open_identity(settings).token_keys.rotate()
    sys.stdout.write(f"Key {primary} seals tokens now.\n")
    return 0

"""The objects that identity needs in each process, built once by main."""

from dataclasses import dataclass

from volutus.identity.keys import KeyRepository
from volutus.identity.memory import Memory
from volutus.identity.oidc import FILE_NAME as OIDC_FILE
from volutus.identity.oidc import Oidc
from volutus.identity.password_rules import PasswordRules
from volutus.identity.passwords import HashCost, Passwords
from volutus.identity.throttle import Throttles
from volutus.identity.tokens import Tokens
from volutus.settings import Settings


@dataclass(frozen=True)
class Identity:
    """`token_keys` seal tokens and may be rotated at will. `vault` seals credentials' blobs with keys of its
    own, which are never dropped: what they sealed stays."""

    token_keys: KeyRepository
    vault: KeyRepository
    memory: Memory
    tokens: Tokens
    passwords: Passwords
    throttles: Throttles
    oidc: Oidc


def open_identity(settings: Settings, cost: HashCost | None = None) -> Identity:
    """Made from the key repositories in `secrets/fernet` and `secrets/credential`."""
    token_keys = KeyRepository(settings.secrets_dir / "fernet")
    vault = KeyRepository(settings.secrets_dir / "credential")
    memory = Memory()
    tokens = Tokens(token_keys, memory, settings.token_lifetime_s)
    passwords = Passwords(cost, PasswordRules.from_settings(settings))
    throttles = Throttles(settings.sign_ins_per_user_minute, settings.sign_ins_per_address_minute)
    oidc = Oidc(settings.state_dir / OIDC_FILE)
    return Identity(token_keys, vault, memory, tokens, passwords, throttles, oidc)

"""The objects that handlers reach through `request.plane`. `volutus/main.py` builds it, tests their own."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

from volutus.clock import Clock
from volutus.db import Database, Tx
from volutus.identity import Caller, Policy
from volutus.ids import Ids
from volutus.settings import Settings


class Authenticator(Protocol):
    """Turns the text of a token into who is asking. Raises Unauthenticated."""

    def authenticate(self, tx: Tx, token: str) -> Caller: ...


class Gate(Protocol):
    """Stands around every handler. An act is named by its permission, or more
    exactly where one stands for several; `params` are the named pieces of the
    path. Raises a VolutusError, before or after the handler, for what may not go on."""

    def passing(
        self, tx: Tx, caller: Caller, permission: str, params: Mapping[str, str]
    ) -> AbstractContextManager[None]: ...


class OpenGate:
    """Lets everything pass."""

    def passing(
        self, _tx: Tx, _caller: Caller, _permission: str, _params: Mapping[str, str]
    ) -> AbstractContextManager[None]:
        return nullcontext()


@dataclass(frozen=True)
class Plane:
    """One process's share of the control plane. `parts` holds what single dialects need (`parts["images"]`
    is the image store …), put there by main; its keys are the names of the packages they belong to."""

    settings: Settings
    database: Database
    clock: Clock
    ids: Ids
    policy: Policy
    authenticator: Authenticator
    parts: dict[str, Any] = field(default_factory=dict)
    gate: Gate = field(default_factory=OpenGate)

"""Who is asking, and what they may do.

`Identity.tokens.authenticate(tx, token) -> Caller` is the kernel's authenticator; `bootstrap` makes what a
new cloud starts with; `open_identity(settings)` builds a process's share. The nouns are modules with verbs:
`domains`, `projects`, `users`, `groups`, `roles`, `assignments`, `catalog`, `credentials`,
`application_credentials`, `trusts`, `policies`.
"""

from volutus.identity.bootstrap import Beginnings, Made, bootstrap
from volutus.identity.caller import Caller
from volutus.identity.parts import Identity, open_identity
from volutus.identity.policy import Policy

__all__ = ["Beginnings", "Caller", "Identity", "Made", "Policy", "bootstrap", "open_identity"]

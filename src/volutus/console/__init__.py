"""The web console: pages for people, made from what the public API says to the user's own token.

It imports no domain, opens no database and has no private door: whatever a page shows or does, `openstack`
can show and do too. `mount` puts it in front of the API on the same port.
"""

from volutus.console.front import mount
from volutus.console.sign_in import IdentityProvider

__all__ = ["IdentityProvider", "mount"]

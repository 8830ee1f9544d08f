"""What hosts ask of the control plane: their document, and a place to report to. On a port of its own.

Every call but `enrol` needs a client certificate that our own authority signed; its common name is the
host's id. See `volutus/wire` for the documents.
"""

from volutus.http.agent.bell import HostBell
from volutus.http.agent.heartbeats import Heartbeats
from volutus.http.agent.routes import dialect
from volutus.http.agent.trust import Authority, HostAuthenticator

__all__ = ["Authority", "Heartbeats", "HostAuthenticator", "HostBell", "dialect"]

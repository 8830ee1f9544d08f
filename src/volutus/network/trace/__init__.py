"""Where a packet of a port would go, and what drops it: asked of OVN's `ovn-trace`, told in a tenant's words.

`probe` turns a question into the packet that the port would send, `program` runs ovn-trace unprivileged,
`output` reads what it prints, and `telling` says it with the names that the caller may see.
"""

from volutus.network.trace.output import read
from volutus.network.trace.probe import Packet, Question, Stopped, packet
from volutus.network.trace.program import Tracer
from volutus.network.trace.telling import Step, Trace, Verdict, stopped, tell

__all__ = [
    "Packet",
    "Question",
    "Step",
    "Stopped",
    "Trace",
    "Tracer",
    "Verdict",
    "packet",
    "read",
    "stopped",
    "tell",
]

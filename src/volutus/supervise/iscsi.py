"""The iSCSI service of this host as a child of the supervisor. What it serves is the agent's business."""

from collections.abc import Mapping

from volutus.agent.config import FILE_NAME
from volutus.agent.iscsi import service
from volutus.agent.iscsi.layout import Layout
from volutus.settings import Settings
from volutus.supervise.child import Child
from volutus.supervise.sockets import accepts


def child(settings: Settings, environment: Mapping[str, str]) -> Child:
    """The service; it ends with whichever of its daemons dies, and starts anew knowing nothing."""
    agent_dir = settings.state_dir / "agent"
    return Child(
        name="iscsi",
        argv=tuple(service.command(agent_dir / FILE_NAME)),
        environment=environment,
        # One that outlived its supervisor would go on serving what was revoked meanwhile.
        adoptable=False,
        ready=lambda: accepts(Layout(agent_dir).door),
    )

"""Names in spaces that all clouds of one machine share: each is derived from the state directory."""

import hashlib
from pathlib import Path

from volutus.settings import Settings

# Network devices may have 15 characters.
_TAG_LENGTH = 8


def tag(settings: Settings) -> str:
    """Tells this cloud from others on the machine; empty for the one in the default directory."""
    if settings.state_dir == Settings.state_dir:
        return ""
    return hashlib.sha256(str(settings.state_dir).encode()).hexdigest()[:_TAG_LENGTH]


def integration_bridge(settings: Settings) -> str:
    """The Open vSwitch bridge that guests are plugged into."""
    return f"int-{tag(settings)}" if tag(settings) else "br-int"


def external_bridge(settings: Settings) -> str:
    """The bridge behind which the external network lies."""
    return f"ext-{tag(settings)}" if tag(settings) else "br-ex"


def nft_table(settings: Settings) -> str:
    """The packet filter's table that only this cloud writes."""
    return f"volutus_{tag(settings)}" if tag(settings) else "volutus"


def chassis(state_dir: Path) -> Path:
    """Where OVN's name of this host is kept, the same for as long as the state directory lives."""
    return state_dir / "ovs" / "system-id"

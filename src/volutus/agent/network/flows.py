"""What the switch's flows have carried to and from the outside, told apart by the mark that each sets.

OVN gives every metered port a flow that marks what the port sends out of the cloud, and every part of a
router's traffic that metering labels count one of its own. The switch counts the bytes and packets of each
flow; a flow that is made anew counts from 0.
"""

import logging
import re
import subprocess
from pathlib import Path

from volutus.agent.state import Carried

log = logging.getLogger(__name__)

TIMEOUT_S = 10
_MARK = re.compile(r"load:0x([0-9a-f]+)->NXM_NX_PKT_MARK\[\]")
_COOKIE = re.compile(r"cookie=(0x[0-9a-f]+)")
_TABLE = re.compile(r"table=(\d+)")
_BYTES = re.compile(r"n_bytes=(\d+)")
_PACKETS = re.compile(r"n_packets=(\d+)")
_SOURCE = re.compile(r"(?:nw_src|ipv6_src)=([0-9a-f.:/]+)")


class MarkedFlows:
    """The flows of one bridge, by its management socket."""

    def __init__(self, bridge: Path) -> None:
        self._bridge = bridge
        # Which table has them depends on OVN's version; until one is seen all are asked for.
        self._table = ""

    def carried(self) -> dict[int, dict[str, Carried]] | None:
        """Mark to flow to what it carried; None when the switch does not answer."""
        command = ["ovs-ofctl", f"--timeout={TIMEOUT_S}", "dump-flows", f"unix:{self._bridge}", self._table]
        try:
            done = subprocess.run(
                [word for word in command if word], capture_output=True, check=True, timeout=TIMEOUT_S * 2
            )
        except (OSError, subprocess.SubprocessError) as error:
            log.warning("the switch does not say what it carried: %s", error)
            return None
        return self.read(done.stdout.decode(errors="replace"))

    def read(self, text: str) -> dict[int, dict[str, Carried]]:
        """The marked flows of a listing. Flows of one cookie differ by their source address; those that
        differ by the way that they lead are taken together."""
        found: dict[int, dict[str, Carried]] = {}
        for line in text.splitlines():
            mark = _MARK.search(line)
            if mark is None:
                continue
            cookie, table, size, count = (p.search(line) for p in (_COOKIE, _TABLE, _BYTES, _PACKETS))
            if cookie is None or table is None or size is None or count is None:
                continue
            self._table = f"table={table.group(1)}"
            source = _SOURCE.search(line)
            flow = f"{cookie.group(1)}/{source.group(1) if source else ''}"
            flows = found.setdefault(int(mark.group(1), 16), {})
            carried = Carried(int(size.group(1)), int(count.group(1)))
            flows[flow] = flows.get(flow, Carried()).plus(carried)
        return found

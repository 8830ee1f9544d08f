"""`volutus trace PORT --to ADDRESS`: where a packet of a port would go, and what drops it.

A client like any other: it signs in at the public API and asks.
"""

import argparse
import sys
from typing import Any
from urllib.parse import quote

from volutus.cli.public_api import signed_in
from volutus.settings import current


def trace(arguments: argparse.Namespace) -> int:
    """Print the trace; 0 when the packet arrives somewhere, 1 when it is dropped."""
    asked = {"to": arguments.to, "protocol": arguments.protocol, "port": arguments.port}
    query = {name: str(value) for name, value in asked.items() if value is not None}
    with signed_in(current(arguments.state_dir)) as api:
        path = f"/v2.0/ports/{quote(arguments.port_id, safe='')}/trace"
        answer = api.call("GET", "network", path, **query)
    document = answer.json()
    if "trace" not in document:
        problem: dict[str, Any] = next(iter(document.values()), {})
        sys.stderr.write(f"{problem.get('message', answer.text)}\n")
        return 2
    return _show(document["trace"])


def _show(found: dict[str, Any]) -> int:
    sys.stdout.write(f"{found['verdict']}: {found['reason']}\n\n")
    for number, step in enumerate(found["steps"], start=1):
        name = " ".join(word for word in (step["id"], f"({step['name']})" if step["name"] else "") if word)
        sys.stdout.write(f"  {number:>2}  {step['kind'].replace('_', ' ')} {name}: {step['text']}\n")
    for note in found["notes"]:
        sys.stdout.write(f"\nNote: {note}\n")
    return 1 if found["verdict"] == "dropped" else 0

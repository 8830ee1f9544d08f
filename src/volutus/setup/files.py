"""Writing files that hold secrets or that others read while they change."""

import os
from pathlib import Path


def write_secret(path: Path, content: bytes) -> None:
    """Never readable by others, not even for a moment; whole or not at all."""
    partial = path.with_name(path.name + ".new")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    partial.replace(path)

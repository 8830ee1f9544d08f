"""Style sheets, scripts and pictures: our own, and what set-up brought from npm. Their address has a
digest of all of them in it, so that browsers keep them for ever and never mix two versions."""

import hashlib
import mimetypes
from importlib.resources import files
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

STYLE, SCRIPT, MARK = "console.css", "console.js", "mark.svg"
_OWN = (STYLE, SCRIPT, MARK, "charts.js", "vnc.js", "serial.js")
# What npm brings is a few hundred small files; more is no set of ours.
_FILES_MAX = 1000
_FOR_EVER = "public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Assets:
    """All files by name, in memory. `brought` is missing where there was no npm: pages work without."""

    def __init__(self, brought: Path) -> None:
        own = files("volutus.console").joinpath("static")
        self._content = {name: own.joinpath(name).read_bytes() for name in _OWN}
        found = sorted(path for path in brought.rglob("*") if path.is_file() and path.suffix in _TYPES)
        for path in found[:_FILES_MAX]:
            self._content[path.relative_to(brought).as_posix()] = path.read_bytes()
        digest = hashlib.sha256()
        for name, content in sorted(self._content.items()):
            digest.update(name.encode() + hashlib.sha256(content).digest())
        self._root = f"/static/{digest.hexdigest()[:12]}"

    def address(self, name: str) -> str:
        """Where the browser finds it; empty if it was not brought."""
        return f"{self._root}/{name}" if name in self._content else ""

    async def serve(self, request: Request) -> Response:
        """One of them. An old address has the new content: a page loaded before an upgrade goes on."""
        name = request.path_params["name"]
        if name not in self._content:
            raise HTTPException(404)
        kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0]
        return Response(self._content[name], headers={"Cache-Control": _FOR_EVER}, media_type=kind)

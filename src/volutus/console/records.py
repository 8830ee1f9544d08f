"""Where a user is signed in: each session has a record, which the identity service keeps among the user's
credentials. A session whose record was deleted is over, in whatever browser it is."""

import asyncio
import json
from typing import Any

from starlette.requests import Request

from volutus.console.api import Api, ApiProblem, Document
from volutus.console.sessions import Session

ROOT = "/identity/v3/credentials"
KIND = "console-session"
# So long a session may go on after its record was deleted, in another process than where that was done.
BELIEVED_S = 15.0
# What one process remembers of records that it looked at; beyond this it looks at all of them anew.
REMEMBERED_MAX = 10_000
# The oldest sessions beyond these end: somebody who never signs out leaves one at each sign-in.
SESSIONS_MAX = 50
_AGENT_MAX = 200


class Records:
    """What this process knows of sessions' records."""

    def __init__(self) -> None:
        self._good: dict[str, float] = {}

    async def begin(self, api: Api, session: Session, request: Request) -> Session:
        """The session with a record; as it was where the user may keep none."""
        blob = {
            "began": session.began,
            "ends": session.ends,
            "browser": request.headers.get("user-agent", "")[:_AGENT_MAX],
            "address": request.client.host if request.client else "",
        }
        order = {"type": KIND, "user_id": session.user_id, "blob": json.dumps(blob)}
        try:
            await self._sweep(api, session)
            made = (await api.post(ROOT, {"credential": order}))["credential"]
        except ApiProblem:
            return session
        return session.recorded(str(made["id"]))

    async def holds(self, api: Api, session: Session) -> bool:
        """Whether nobody has ended it. A token that is no longer good the API refuses by itself."""
        if not session.record or self._good.get(session.record, 0.0) > _now():
            return True
        try:
            await api.get(f"{ROOT}/{session.record}")
        except ApiProblem as problem:
            return problem.status != 404
        if len(self._good) >= REMEMBERED_MAX:
            self._good.clear()
        self._good[session.record] = _now() + BELIEVED_S
        return True

    async def end(self, api: Api, record: str) -> None:
        """End a session of the user's by its record. Raises ApiProblem."""
        self._good.pop(record, None)
        await api.delete(f"{ROOT}/{record}")

    async def _sweep(self, api: Api, session: Session) -> None:
        found = await all_of(api, session.user_id)
        over = [one for one in found if one["ends"] < session.began]
        for one in over or found[SESSIONS_MAX - 1 :]:
            await self.end(api, one["id"])


async def all_of(api: Api, user_id: str) -> list[Document]:
    """A user's sessions: `id`, `began`, `ends`, `browser` and `address` of each, the newest first."""
    found = await api.items(ROOT, "credentials", user_id=user_id, type=KIND)
    shown = [_shown(one) for one in found if one["user_id"] == user_id]
    return sorted(shown, key=lambda one: str(one["began"]), reverse=True)


def _shown(one: Document) -> dict[str, Any]:
    try:
        blob = json.loads(one["blob"])
    except ValueError:
        blob = {}
    names = ("began", "ends", "browser", "address")
    # Whoever writes records by other means writes what he likes.
    return {"id": one["id"], **{name: str(blob.get(name, "")) for name in names}}


def _now() -> float:
    return asyncio.get_running_loop().time()

"""How a user's pages look, kept with the user: whoever signs in elsewhere finds the same language and theme.

The identity service keeps it among the user's credentials, as it does records of sessions.
"""

import json

from volutus.console.api import Api, ApiProblem, Document
from volutus.console.look import Look, known
from volutus.console.records import ROOT

KIND = "console-settings"


async def kept(api: Api, user_id: str) -> Look | None:
    """What the user chose last; None where nothing is kept, or nothing may be."""
    for one in await _all(api, user_id):
        try:
            blob = json.loads(one["blob"])
        except ValueError:
            continue
        # Whoever writes credentials by other means writes what he likes.
        if isinstance(blob, dict):
            return known(str(blob.get("language", "")), str(blob.get("theme", "")))
    return None


async def keep(api: Api, user_id: str, look: Look) -> None:
    """Have the next sign-in begin with it. Who may keep nothing has it in the browser alone."""
    blob = json.dumps({"language": look.language, "theme": look.theme})
    order = {"type": KIND, "user_id": user_id, "blob": blob}
    try:
        found = await _all(api, user_id)
        if found:
            await api.patch(f"{ROOT}/{found[0]['id']}", {"credential": {"blob": blob}})
        else:
            await api.post(ROOT, {"credential": order})
    except ApiProblem:
        return


async def _all(api: Api, user_id: str) -> list[Document]:
    try:
        found = await api.items(ROOT, "credentials", user_id=user_id, type=KIND)
    except ApiProblem:
        return []
    return [one for one in found if one["user_id"] == user_id]

"""How states are named and coloured: the word says it, the colour helps."""

from volutus.console.language import N_, lookup

# What is not here is neither good nor bad.
_GOOD = {
    "active",
    "available",
    "in-use",
    "up",
    "enabled",
    "full access",
    "issued",
    "paid",
    "normal",
    "online",
}
_BAD = {
    "error",
    "error_deleting",
    "error_extending",
    "error_restoring",
    "down",
    "killed",
    "disabled",
    "full",
    "degraded",
}
_BUSY = {
    "build",
    "rebuild",
    "reboot",
    "hard_reboot",
    "resize",
    "queued",
    "migrating",
    "backing-up",
    "restoring-backup",
}
# The API's own words are English ones; these are those a tenant meets.
_NAMES = {
    "active": N_("ACTIVE"),
    "shutoff": N_("SHUTOFF"),
    "build": N_("BUILD"),
    "error": N_("ERROR"),
    "paused": N_("PAUSED"),
    "reboot": N_("REBOOT"),
    "rebuild": N_("REBUILD"),
    "resize": N_("RESIZE"),
    "verify_resize": N_("VERIFY_RESIZE"),
    "rescue": N_("RESCUE"),
    "suspended": N_("SUSPENDED"),
    "shelved": N_("SHELVED"),
    "shelved_offloaded": N_("SHELVED_OFFLOADED"),
    "available": N_("available"),
    "in-use": N_("in use"),
    "creating": N_("creating"),
    "deleting": N_("deleting"),
    "attaching": N_("attaching"),
    "detaching": N_("detaching"),
    "extending": N_("extending"),
    "uploading": N_("uploading"),
    "queued": N_("waiting for its data"),
    "saving": N_("saving"),
    "importing": N_("importing"),
    "deactivated": N_("deactivated"),
    "scheduling": N_("scheduling"),
    "networking": N_("networking"),
    "block_device_mapping": N_("making its disk"),
    "spawning": N_("starting"),
    "powering-off": N_("stopping"),
    "powering-on": N_("starting"),
    "up": N_("up"),
    "down": N_("down"),
    "enabled": N_("enabled"),
    "disabled": N_("disabled"),
    "full": N_("full"),
    "backing-up": N_("being backed up"),
    "restoring": N_("being restored"),
    "restoring-backup": N_("being restored"),
    "ended": N_("ended"),
    "online": N_("ONLINE"),
    "offline": N_("OFFLINE"),
    "degraded": N_("DEGRADED"),
    "no_monitor": N_("not checked"),
    "draining": N_("DRAINING"),
    "pending_create": N_("being made"),
    "pending_update": N_("being changed"),
}


def state_name(state: str) -> str:
    """The state in the language of this request; one without a name as the API says it."""
    name = _NAMES.get(state.lower())
    if name is None:
        return state
    return lookup(name)


def tone(state: str) -> str:
    """`good`, `bad`, `busy` or `still`: the class that colours a state."""
    word = state.lower()
    if word in _GOOD:
        return "good"
    if word in _BAD:
        return "bad"
    return "busy" if is_busy(state) else "still"


def is_busy(state: str) -> bool:
    """Whether a state will change by itself."""
    word = state.lower()
    return word.endswith("ing") or word.startswith("pending") or word in _BUSY

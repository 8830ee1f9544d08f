"""What the hosts' storage can do, and whether a volume type's extra specs are content with it."""

from collections.abc import Mapping

# The back end's name: every host keeps volumes as files in one directory.
BACKEND = "directory"
CAPABILITIES: Mapping[str, str] = {
    "volume_backend_name": BACKEND,
    "vendor_name": "Volutus",
    "storage_protocol": "file",
    "thin_provisioning_support": "true",
    "QoS_support": "false",
    "multiattach": "false",
}
_SCOPE = "capabilities:"


def lacking(extra_specs: Mapping[str, str]) -> list[str]:
    """The specs that no host fulfils. A spec with another scope than `capabilities:` is a note for somebody
    else; any other must be as it says, or a type would promise what it does not keep."""
    return [key for key, value in extra_specs.items() if not _holds(key, value)]


def _holds(key: str, value: str) -> bool:
    name = key.removeprefix(_SCOPE)
    if ":" in name:
        return True
    return CAPABILITIES.get(name, "").lower() == value.removeprefix("<is>").strip().lower()

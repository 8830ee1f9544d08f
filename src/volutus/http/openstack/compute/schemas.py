"""Bodies of requests about servers, as Nova's clients send them. Other nouns keep theirs in their modules.

Unknown fields are refused. Numbers may come as text, as Nova takes them. `UNSET` is what was not sent.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from volutus.compute.personality import InjectedFile
from volutus.errors import Invalid
from volutus.http.kernel import Version

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Number = int | str
Flag = bool | str
Items = dict[Annotated[str, Meta(min_length=1, max_length=255)], Annotated[str, Meta(max_length=255)]]

# Of numbers that come as text: what 64 bits hold.
DIGITS_MAX = 18
_TRUE = {"true", "1", "yes", "on", "t", "y"}
_FALSE = {"false", "0", "no", "off", "f", "n", ""}


class SecurityGroupName(Struct, forbid_unknown_fields=True):
    name: str


class NetworkBody(Struct, forbid_unknown_fields=True):
    uuid: str | None = None
    port: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


class BlockDeviceBody(Struct, forbid_unknown_fields=True):
    source_type: str = "volume"
    destination_type: str | None = None
    uuid: str | None = None
    boot_index: int | str | None = None
    volume_size: int | str | None = None
    device_name: str | None = None
    delete_on_termination: Flag | None = None
    volume_type: str | None = None
    tag: str | None = None
    device_type: str | None = None
    disk_bus: str | None = None
    guest_format: str | None = None
    no_device: Any = None
    volume_id: str | None = None
    image_id: str | None = None
    snapshot_id: str | None = None
    connection_info: Any = None


class OldBlockDeviceBody(Struct, forbid_unknown_fields=True):
    """Nova's first form: a volume or a snapshot for a device."""

    device_name: str | None = None
    volume_id: str | None = None
    snapshot_id: str | None = None
    volume_size: int | str | None = None
    delete_on_termination: Flag | None = None
    virtual_name: str | None = None
    no_device: Any = None


class File(Struct, forbid_unknown_fields=True):
    path: Annotated[str, Meta(min_length=1)]
    contents: str


class ServerCreate(Struct, forbid_unknown_fields=True):
    name: Name
    flavor: str | int = msgspec.field(name="flavorRef")
    image: str | None = msgspec.field(name="imageRef", default=None)
    networks: list[NetworkBody] | str | None = None
    security_groups: list[SecurityGroupName] | None = None
    key_name: str | None = None
    user_data: str | None = None
    config_drive: Flag | None = None
    admin_pass: str | UnsetType = msgspec.field(name="adminPass", default=UNSET)
    metadata: Items | None = None
    min_count: Number | None = None
    max_count: Number | None = None
    return_reservation_id: Flag | None = None
    availability_zone: str | None = None
    block_device_mapping_v2: list[BlockDeviceBody] | None = None
    block_device_mapping: list[OldBlockDeviceBody] | None = None
    description: str | UnsetType | None = UNSET
    tags: list[str] | UnsetType = UNSET
    hostname: str | UnsetType = UNSET
    host: str | UnsetType = UNSET
    hypervisor_hostname: str | UnsetType = UNSET
    trusted_image_certificates: list[str] | UnsetType | None = UNSET
    access_ipv4: str | None = msgspec.field(name="accessIPv4", default=None)
    access_ipv6: str | None = msgspec.field(name="accessIPv6", default=None)
    disk_config: str | None = msgspec.field(name="OS-DCF:diskConfig", default=None)
    hints: dict[str, Any] | None = msgspec.field(name="os:scheduler_hints", default=None)
    personality: list[File] | UnsetType = UNSET


class ServerCreateBody(Struct, forbid_unknown_fields=True):
    server: ServerCreate
    hints: dict[str, Any] | None = msgspec.field(name="os:scheduler_hints", default=None)
    old_hints: dict[str, Any] | None = msgspec.field(name="OS-SCH-HNT:scheduler_hints", default=None)


class ServerRebuild(Struct, forbid_unknown_fields=True):
    image: str = msgspec.field(name="imageRef")
    name: Name | None = None
    admin_pass: str | UnsetType = msgspec.field(name="adminPass", default=UNSET)
    metadata: Items | None = None
    access_ipv4: str | None = msgspec.field(name="accessIPv4", default=None)
    access_ipv6: str | None = msgspec.field(name="accessIPv6", default=None)
    disk_config: str | None = msgspec.field(name="OS-DCF:diskConfig", default=None)
    preserve_ephemeral: Flag | None = None
    description: str | UnsetType | None = UNSET
    key_name: str | UnsetType | None = UNSET
    user_data: str | UnsetType | None = UNSET
    trusted_image_certificates: list[str] | UnsetType | None = UNSET
    hostname: str | UnsetType = UNSET
    personality: list[File] | UnsetType = UNSET


class ImageCreate(Struct, forbid_unknown_fields=True):
    name: Name
    metadata: Items | None = None


class BackupCreate(Struct, forbid_unknown_fields=True):
    name: Name
    backup_type: Name
    rotation: Number
    metadata: Items | None = None


class ServerUpdate(Struct, forbid_unknown_fields=True):
    name: Name | None = None
    access_ipv4: str | None = msgspec.field(name="accessIPv4", default=None)
    access_ipv6: str | None = msgspec.field(name="accessIPv6", default=None)
    disk_config: str | None = msgspec.field(name="OS-DCF:diskConfig", default=None)
    description: str | UnsetType | None = UNSET
    hostname: str | UnsetType = UNSET
    pinned_zone: str | UnsetType | None = msgspec.field(name="pinned_availability_zone", default=UNSET)


class ServerUpdateBody(Struct, forbid_unknown_fields=True):
    server: ServerUpdate


class MetadataBody(Struct, forbid_unknown_fields=True):
    metadata: Items


class MetaBody(Struct, forbid_unknown_fields=True):
    meta: Items


class TagsBody(Struct, forbid_unknown_fields=True):
    tags: list[str]


# From which version on a field may be sent.
_SINCE = {
    "description": Version(2, 19),
    "tags": Version(2, 52),
    "trusted_image_certificates": Version(2, 63),
    "host": Version(2, 74),
    "hypervisor_hostname": Version(2, 74),
    "hostname": Version(2, 90),
    "pinned_zone": Version(2, 104),
}


# From which version on a field may not be sent any more.
_UNTIL = {"personality": Version(2, 57)}


def check_version(body: ServerCreate | ServerRebuild | ServerUpdate, version: Version) -> None:
    """Raise Invalid for a field that the version asked for does not have, or whose promise is not kept."""
    absent = [name for name, since in _SINCE.items() if version < since]
    absent += [name for name, until in _UNTIL.items() if version >= until]
    for name in absent:
        if getattr(body, name, UNSET) is not UNSET:
            raise Invalid(
                f"Invalid input for field/attribute server. Additional properties are not allowed "
                f"('{name}' was unexpected)",
                field=f"server.{name}",
            )
    # Who asks for an image's signature to be verified must not get a server without it.
    if getattr(body, "trusted_image_certificates", None):
        raise Invalid(
            "Signatures of images are not verified here: nothing keeps trusted certificates.",
            field="server.trusted_image_certificates",
        )


def files_of(given: list[File] | UnsetType) -> tuple[InjectedFile, ...]:
    """The files of an order."""
    return tuple(InjectedFile(file.path, file.contents) for file in given) if given is not UNSET else ()


def number(value: int | str | None, field: str, least: int = 0) -> int | None:
    """A number that may have come as text. Raises Invalid naming the field."""
    if value is None:
        return None
    text = str(value).strip()
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > DIGITS_MAX or int(text) < least:
        raise Invalid(f"Invalid input for field/attribute {field}. Value: {value}.", field=field)
    return int(text)


def flag(value: bool | str | None, field: str, default: bool = False) -> bool:
    """A boolean that may have come as text."""
    if value is None:
        return default
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Invalid(
        f"Invalid input for field/attribute {field}. Value: {value}. It is no boolean.", field=field
    )


def name_of(text: str, field: str) -> str:
    """A name without spaces around it. Raises Invalid for one of spaces alone."""
    if not text.strip() or not text.isprintable():
        raise Invalid(f"Invalid input for field/attribute {field}. Value: {text!r}.", field=field)
    return text.strip()

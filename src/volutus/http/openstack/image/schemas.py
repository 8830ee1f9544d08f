"""JSON schemas of the Image API's documents, which its clients fetch to know the fields."""

from typing import Any

from volutus.image import CONTAINER_FORMATS, DISK_FORMATS, VISIBILITIES

_STATUSES = (
    "queued",
    "saving",
    "active",
    "killed",
    "deleted",
    "uploading",
    "importing",
    "pending_delete",
    "deactivated",
)
_UUID = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"


def _text(
    description: str, *, null: bool = False, longest: int | None = 255, fixed: bool = False
) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": ["null", "string"] if null else "string", "description": description}
    if longest is not None:
        shape["maxLength"] = longest
    return shape | ({"readOnly": True} if fixed else {})


def _number(description: str, *, null: bool = False, fixed: bool = False) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": ["null", "integer"] if null else "integer", "description": description}
    return shape | ({"readOnly": True} if fixed else {"maximum": 2147483647})


def _choice(
    description: str, choices: tuple[str, ...], *, null: bool = False, fixed: bool = False
) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": ["null", "string"] if null else "string", "description": description}
    shape["enum"] = [*([None] if null else []), *choices]
    return shape | ({"readOnly": True} if fixed else {})


def _flag(description: str) -> dict[str, Any]:
    return {"type": "boolean", "description": description}


_IMAGE_PROPERTIES: dict[str, Any] = {
    "id": {"type": "string", "description": "An identifier for the image", "pattern": _UUID},
    "name": _text("Descriptive name for the image", null=True),
    "status": _choice("Status of the image", _STATUSES, fixed=True),
    "visibility": _choice("Scope of image accessibility", VISIBILITIES),
    "protected": _flag("If true, image will not be deletable."),
    "os_hidden": _flag("If true, image will not appear in default image list response."),
    "checksum": _text("md5 hash of image contents.", null=True, longest=32, fixed=True),
    "os_hash_algo": _text("Algorithm to calculate the os_hash_value", null=True, longest=64, fixed=True),
    "os_hash_value": _text("Hexdigest of the image contents", null=True, longest=128, fixed=True),
    "owner": _text("Owner of the image", null=True),
    "size": _number("Size of image file in bytes", null=True, fixed=True),
    "virtual_size": _number("Virtual size of image in bytes", null=True, fixed=True),
    "container_format": _choice("Format of the container", CONTAINER_FORMATS, null=True),
    "disk_format": _choice("Format of the disk", DISK_FORMATS, null=True),
    "created_at": _text("Date and time of image registration", longest=None, fixed=True),
    "updated_at": _text("Date and time of the last image modification", longest=None, fixed=True),
    "tags": {
        "type": "array",
        "description": "List of strings related to the image",
        "items": {"type": "string", "maxLength": 255},
    },
    "stores": _text("Store in which image data resides.", longest=None, fixed=True),
    "min_ram": _number("Amount of ram (in MB) required to boot image."),
    "min_disk": _number("Amount of disk space (in GB) required to boot image."),
    "self": _text("An image self url", longest=None, fixed=True),
    "file": _text("An image file url", longest=None, fixed=True),
    "schema": _text("An image schema url", longest=None, fixed=True),
    "kernel_id": {"type": ["null", "string"], "pattern": _UUID, "is_base": False},
    "ramdisk_id": {"type": ["null", "string"], "pattern": _UUID, "is_base": False},
}
_MEMBER_PROPERTIES: dict[str, Any] = {
    "created_at": _text("Date and time of image member creation", longest=None),
    "image_id": {"type": "string", "description": "An identifier for the image", "pattern": _UUID},
    "member_id": _text("An identifier for the image member (tenantId)", longest=None),
    "schema": _text("The member schema url", longest=None, fixed=True),
    "status": _choice("The status of this image member", ("pending", "accepted", "rejected")),
    "updated_at": _text("Date and time of last modification of image member", longest=None),
}
_LINKS: dict[str, Any] = {
    "first": {"type": "string"},
    "next": {"type": "string"},
    "schema": {"type": "string"},
}
_IMAGE: dict[str, Any] = {
    "name": "image",
    "properties": _IMAGE_PROPERTIES,
    "additionalProperties": {"type": "string"},
    "links": [
        {"rel": "self", "href": "{self}"},
        {"rel": "enclosure", "href": "{file}"},
        {"rel": "describedby", "href": "{schema}"},
    ],
}
_MEMBER: dict[str, Any] = {"name": "member", "properties": _MEMBER_PROPERTIES}

_TASK_PROPERTIES: dict[str, Any] = {
    "id": {"type": "string", "description": "An identifier for the task", "pattern": _UUID},
    "type": _choice("The type of task represented by this content", ("import", "api_image_import")),
    "status": _choice("The current status of this task", ("pending", "processing", "success", "failure")),
    "input": {"type": ["null", "object"], "description": "The parameters of the task"},
    "result": {"type": ["null", "object"], "description": "What came of the task"},
    "owner": _text("An identifier for the owner of this task", longest=None),
    "message": _text("What went wrong", longest=None),
    "image_id": _text("The image that the task is about", null=True, longest=None),
    "request_id": _text("The request that asked for it", longest=None),
    "user_id": _text("The user who asked for it", null=True, longest=None),
    "expires_at": _text("When the task is forgotten", null=True, longest=None),
    "created_at": _text("Date and time of resource creation", longest=None),
    "updated_at": _text("Date and time of resource modification", longest=None),
    "self": _text("The task's url", longest=None, fixed=True),
    "schema": _text("The task's schema url", longest=None, fixed=True),
}
_TASK: dict[str, Any] = {"name": "task", "properties": _TASK_PROPERTIES}

SCHEMAS: dict[str, dict[str, Any]] = {
    "task": _TASK,
    "tasks": {
        "name": "tasks",
        "properties": {"tasks": {"type": "array", "items": _TASK}, **_LINKS},
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    },
    "image": _IMAGE,
    "images": {
        "name": "images",
        "properties": {"images": {"type": "array", "items": _IMAGE}, **_LINKS},
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    },
    "member": _MEMBER,
    "members": {
        "name": "members",
        "properties": {"members": {"type": "array", "items": _MEMBER}, "schema": {"type": "string"}},
        "links": [{"rel": "describedby", "href": "{schema}"}],
    },
}

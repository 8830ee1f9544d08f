"""What can go wrong with images, by code."""

from volutus.errors import Conflict, Forbidden, Invalid, NotFound, TooLarge


class ImageNotFound(NotFound):
    code = "image.not_found"

    def __init__(self, image_id: str) -> None:
        super().__init__(f"No image found with ID {image_id}")


class ImageExists(Conflict):
    code = "image.exists"


class ImageNotYours(Forbidden):
    """Seen, but another project's."""

    code = "image.not_yours"


class ImageProtected(Forbidden):
    code = "image.protected"


class NotAllowed(Forbidden):
    """A field that this caller may not set, or not any more."""

    code = "image.not_allowed"


class WrongStatus(Conflict):
    """The image's status does not allow this."""

    code = "image.wrong_status"


class NotReady(Invalid):
    """Not active, so nothing can be made from it."""

    code = "image.not_active"


class NotBootable(Invalid):
    code = "image.not_bootable"


class TooLittleMemory(Invalid):
    code = "image.needs_more_memory"


class TooLittleDisk(Invalid):
    code = "image.needs_more_disk"


class FormatsMissing(Invalid):
    code = "image.formats_missing"


class ImageRefused(Invalid):
    """The bytes are not what they are said to be, or could reach beyond themselves."""

    code = "image.refused"


class ImageTooLarge(TooLarge):
    code = "image.too_large"


class StoreFull(TooLarge):
    code = "image.store_full"


class UploadLost(Conflict):
    """The image went away, or somebody else took over, while its bytes came."""

    code = "image.upload_lost"


class MemberNotFound(NotFound):
    code = "image.member_not_found"


class MemberExists(Conflict):
    code = "image.member_exists"


class TagNotFound(NotFound):
    code = "image.tag_not_found"


class DefinitionNotFound(NotFound):
    code = "image.definition_not_found"


class DefinitionExists(Conflict):
    code = "image.definition_exists"


class TaskNotFound(NotFound):
    code = "image.task_not_found"


class FetchFailed(Invalid):
    """The server that an image was to come from did not give it."""

    code = "image.fetch_failed"


class ConversionFailed(Invalid):
    """The image could not be brought into the format that disks are made from."""

    code = "image.conversion_failed"

"""The domain's expected failures."""

from volutus.errors import Conflict, Invalid, NotFound, QuotaExceeded


class VolumeNotFound(NotFound):
    code = "volume.volume.not_found"


class SnapshotNotFound(NotFound):
    code = "volume.snapshot.not_found"


class AttachmentNotFound(NotFound):
    code = "volume.attachment.not_found"


class TypeNotFound(NotFound):
    code = "volume.type.not_found"


class QosNotFound(NotFound):
    code = "volume.qos.not_found"


class TransferNotFound(NotFound):
    code = "volume.transfer.not_found"


class GroupNotFound(NotFound):
    code = "volume.group.not_found"


class GroupTypeNotFound(NotFound):
    code = "volume.group_type.not_found"


class GroupSnapshotNotFound(NotFound):
    code = "volume.group_snapshot.not_found"


class BackupNotFound(NotFound):
    code = "volume.backup.not_found"


class ScheduleNotFound(NotFound):
    code = "volume.schedule.not_found"


class ExportNotFound(NotFound):
    code = "volume.export.not_found"


class ReleasedNotFound(NotFound):
    """No disk of that name was put aside."""

    code = "volume.released.not_found"


class MessageNotFound(NotFound):
    code = "volume.message.not_found"


class KeyNotFound(NotFound):
    """A metadata item or an extra spec that is not there."""

    code = "volume.key.not_found"


class WrongStatus(Conflict):
    """The status of a volume or a snapshot does not allow this."""

    code = "volume.wrong_status"


class HeldByServer(Conflict):
    """Plugged into a server: to be detached through the compute service alone, for only that knows whether
    the guest still uses it."""

    code = "volume.held_by_server"


class VolumeExported(Conflict):
    """The volume is served outside the cloud: nothing else may use or change it meanwhile."""

    code = "volume.exported"


class ExportRefused(Conflict):
    """The volume's present state or place forbids that it is exported."""

    code = "volume.export.refused"


class OtherHost(Conflict):
    """The volume is stored on another host than the server runs on."""

    code = "volume.other_host"


class TooManySchedules(Conflict):
    """A volume has as many as it may."""

    code = "volume.schedule.too_many"


class AlreadyExists(Conflict):
    code = "volume.already_exists"


class TypeInUse(Conflict):
    code = "volume.type.in_use"


class SizeRefused(Invalid):
    """The size asked for does not fit the source, the volume or the limits."""

    code = "volume.size"


class SizeOverQuota(QuotaExceeded):
    """One volume may not be as large as this in the project."""

    code = "volume.size.over_quota"

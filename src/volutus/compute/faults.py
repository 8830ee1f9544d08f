"""The expected failures of compute."""

from volutus.errors import Conflict, Forbidden, Invalid, NotFound


class ServerNotFound(NotFound):
    code = "compute.server.not_found"


class WrongState(Conflict):
    """The action does not fit the server's present state."""

    code = "compute.server.wrong_state"


class ZoneFixed(Conflict):
    """A server cannot be pinned to a zone that it is not in."""

    code = "compute.server.zone_fixed"


class ServerLocked(Conflict):
    code = "compute.server.locked"


class FlavorNotFound(NotFound):
    code = "compute.flavor.not_found"


class FlavorExists(Conflict):
    code = "compute.flavor.exists"


class ExtraSpecNotFound(NotFound):
    code = "compute.flavor.extra_spec_not_found"


class AccessNotFound(NotFound):
    code = "compute.flavor.access_not_found"


class AccessExists(Conflict):
    code = "compute.flavor.access_exists"


class KeyPairNotFound(NotFound):
    code = "compute.key_pair.not_found"


class KeyPairExists(Conflict):
    code = "compute.key_pair.exists"


class KeyPairInvalid(Invalid):
    code = "compute.key_pair.invalid"


class ServerGroupNotFound(NotFound):
    code = "compute.server_group.not_found"


class AggregateNotFound(NotFound):
    code = "compute.aggregate.not_found"


class AggregateConflict(Conflict):
    code = "compute.aggregate.conflict"


class MetadataItemNotFound(NotFound):
    code = "compute.server.metadata_not_found"


class TagNotFound(NotFound):
    code = "compute.server.tag_not_found"


class TooMany(Forbidden):
    """More metadata or tags than a server may have."""

    code = "compute.server.too_many"


class AttachmentNotFound(NotFound):
    code = "compute.server.attachment_not_found"


class ActionNotFound(NotFound):
    code = "compute.server.action_not_found"


class SecurityGroupMissing(NotFound):
    code = "compute.server.security_group_missing"


class ConsoleUnavailable(Conflict):
    """There is no running guest to look at."""

    code = "compute.console.unavailable"


class ConsoleTokenInvalid(NotFound):
    code = "compute.console.token_invalid"


class FloatingIpMissing(NotFound):
    code = "compute.server.floating_ip_missing"


class FloatingIpElsewhere(Conflict):
    code = "compute.server.floating_ip_elsewhere"

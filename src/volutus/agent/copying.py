"""Actions that bring disks elsewhere: into the backup target, and to the control plane as images."""

from collections.abc import Callable

from volutus.agent.actions import BackUpDisk, CaptureDisk, DropBackup, DropCapture, SendCapture
from volutus.agent.storage import Holder, Send, StorageBackend

CopyAction = BackUpDisk | DropBackup | CaptureDisk | SendCapture | DropCapture
HolderOf = Callable[[str | None, str], Holder | None]
"""Who has a disk open, by its id and the disk's."""


def copy(action: CopyAction, storage: StorageBackend, send: Send, holder: HolderOf) -> None:
    """Carry it out. Raises HostFault."""
    match action:
        case BackUpDisk(spec, guest_id):
            storage.back_up(spec, holder(guest_id, spec.disk_id))
        case DropBackup(backup_id):
            storage.drop_backup(backup_id)
        case CaptureDisk(upload, guest_id):
            storage.capture(upload, holder(guest_id, upload.disk_id))
        case SendCapture(image_id):
            send(image_id, storage.captured(image_id))
            storage.sent(image_id)
        case DropCapture(image_id):
            storage.drop_capture(image_id)

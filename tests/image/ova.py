"""Makes OVA archives, right ones and wrong ones."""

import io
import tarfile

DESCRIPTION = """<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1">
  <References>{files}</References>
  <DiskSection>{disks}</DiskSection>
</Envelope>"""
FILE = '<File ovf:id="file{number}" ovf:href="{name}" {more}/>'
DISK = '<Disk ovf:diskId="disk{number}" ovf:fileRef="file{number}" ovf:capacity="1"/>'


def description(*names, more=""):
    """An OVF that names these files as its disks."""
    files = [FILE.format(number=number, name=name, more=more) for number, name in enumerate(names)]
    disks = [DISK.format(number=number) for number in range(len(names))]
    return DESCRIPTION.format(files="".join(files), disks="".join(disks)).encode()


def archive(*members, form=tarfile.USTAR_FORMAT):
    """A tar of (name, content) pairs, or of whole `TarInfo`s."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
                continue
            name, content = member
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def machine(disk, name="disk.vmdk"):
    """An OVA with one disk."""
    return archive(("machine.ovf", description(name)), (name, disk))

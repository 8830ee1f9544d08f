"""Disk images for Tempest's tests of image formats, and the manifest that tells of them.

usage: python tests/conformance/make_images.py DIRECTORY
Then `images_manifest_file = DIRECTORY/manifest.yaml` in section `[image]` of the settings. What is not
`usable` must be refused: each names another file, which a cloud that followed it would hand to a tenant.
"""

import json
import subprocess
import sys
from pathlib import Path

SIZE = "32M"
# Name, the cloud's word for the format, qemu-img's word, its options, whether it may be used.
DISKS = (
    ("raw", "raw", "raw", "", True),
    ("qcow2-v2", "qcow2", "qcow2", "compat=0.10", True),
    ("qcow2-v3", "qcow2", "qcow2", "compat=1.1", True),
    ("qcow2-backing-file", "qcow2", "qcow2", "backing_file=raw.img,backing_fmt=raw", False),
    ("qcow2-data-file", "qcow2", "qcow2", "data_file=outside.data,data_file_raw=on", False),
    ("vdi", "vdi", "vdi", "", True),
    ("vhd", "vhd", "vpc", "subformat=dynamic", True),
    ("vhdx", "vhdx", "vhdx", "", True),
    ("vmdk-sparse", "vmdk", "vmdk", "subformat=monolithicSparse", True),
    ("vmdk-stream", "vmdk", "vmdk", "subformat=streamOptimized", True),
    ("vmdk-several-files", "vmdk", "vmdk", "subformat=monolithicFlat", False),
)


def main() -> None:
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True)
    images = []
    for name, disk_format, driver, options, usable in DISKS:
        order = ["qemu-img", "create", "-q", "-f", driver, *(["-o", options] if options else [])]
        subprocess.run([*order, f"{name}.img", SIZE], cwd=directory, check=True)
        images.append({"name": name, "filename": f"{name}.img", "format": disk_format, "usable": usable})
    tree = directory / "tree"
    tree.mkdir()
    (tree / "readme").write_text("a file on a CD\n")
    subprocess.run(["genisoimage", "-quiet", "-o", "iso.img", "tree"], cwd=directory, check=True)
    images.append({"name": "iso", "filename": "iso.img", "format": "iso", "usable": True})
    # Every JSON document is a YAML document.
    (directory / "manifest.yaml").write_text(json.dumps({"images": images}, indent=1))


if __name__ == "__main__":
    main()

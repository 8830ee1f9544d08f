"""`volutus image build`: images made on this machine from Debian packages."""

import argparse
import sys

from volutus.setup.progress import Progress


def build(arguments: argparse.Namespace) -> int:
    """Build into a directory, and say how to give it to the cloud."""
    from volutus.imagebuild import build as build_image

    progress = Progress()
    built = build_image(arguments.name, arguments.output, progress.line)
    sys.stdout.write(
        f"{built.disk}\n\nTo offer it:  openstack image create --disk-format qcow2 --container-format bare "
        f"--file {built.disk} {built.name}\n"
    )
    return 0

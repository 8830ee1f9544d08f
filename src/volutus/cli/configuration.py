"""`volutus config`: the settings in force."""

import argparse
import os
import sys
import tomllib

from volutus import settings as settings_module
from volutus.settings import ENVIRONMENT_PREFIX, FILE_NAME, Settings


def show(arguments: argparse.Namespace) -> int:
    """Every setting with its value, and where it was set; secrets stay hidden."""
    settings = settings_module.current(arguments.state_dir)
    shown = settings.shown()
    width = max(len(name) for name in shown)
    values = max(len(value) for value in shown.values())
    for name, value in shown.items():
        sys.stdout.write(f"{name:<{width}}  {value or '-':<{values}}  {_source(settings, name, arguments)}\n")
    sys.stdout.write(
        f"\nSet them in {settings.state_dir / FILE_NAME}, or as {ENVIRONMENT_PREFIX}NAME in the shell.\n"
    )
    return 0


def _source(settings: Settings, name: str, arguments: argparse.Namespace) -> str:
    if name == "state_dir":
        return "command line" if arguments.state_dir else "environment or default"
    if f"{ENVIRONMENT_PREFIX}{name.upper()}" in os.environ:
        return "environment"
    path = settings.state_dir / FILE_NAME
    if path.exists() and name in tomllib.loads(path.read_text()):
        return "file"
    return "default"

"""Every text that a payer gets, in every language: the catalogues beside this have the same keys, which a
test sees to.

A text may have fields in braces: those that the notice's detail has under these names. `subject` and `text`
of a letter are `mail.KIND.subject` and `mail.KIND.text`.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "zh")


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All texts of a language; English for one that we do not speak."""
    known = language if language in LANGUAGES else LANGUAGES[0]
    return tomllib.loads(files("volutus.billing.papers").joinpath(f"{known}.toml").read_text())


def say(language: str, key: str, fields: Mapping[str, Any] | None = None) -> str:
    """The text; a field that nobody gave is left empty."""
    return catalogue(language)[key].format_map(_Fields(fields or {}))


class _Fields(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""

"""The languages of the pages: each message is written in English where it is used and looked up in a
catalogue. Whoever adds one runs `make messages` and fills in the translations; a test compares.

What the API says (its errors, the names of actions) is shown as it is.
"""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from importlib.resources import files

from babel.messages.pofile import read_po

ENGLISH = "en"
LANGUAGES = {ENGLISH: "English", "zh": "中文"}
# For tests and translators: all that went through a catalogue is in these brackets.
PSEUDO = "en-XA"
PSEUDO_BRACKETS = "⟦⟧"
_ACCENTED = str.maketrans("aeiouAEIOU", "áéíóúÁÉÍÓÚ")
# What must survive: placeholders and tags.
_KEPT = re.compile(r"(%\(\w+\)s|<[^>]+>|&\w+;)")

Message = str | tuple[str, ...]
_spoken: ContextVar[str] = ContextVar("language", default=ENGLISH)


def speak(language: str) -> None:
    """From now on this request's messages are in that language; an unknown one is English."""
    _spoken.set(language if language in LANGUAGES or language == PSEUDO else ENGLISH)


def spoken() -> str:
    """The language of this request."""
    return _spoken.get()


def preferred(accepted: str) -> str:
    """The first language of a browser's list that there is."""
    for part in accepted.lower().split(","):
        language = part.partition(";")[0].strip().partition("-")[0]
        if language in LANGUAGES:
            return language
    return ENGLISH


def _(message: str, /, **values: object) -> str:
    """A message in the language of this request, with its values."""
    text = lookup(message)
    return text % values if values else text


def N_(message: str) -> str:  # noqa: N802
    """Marks a message that is looked up where it is shown."""
    return message


def ngettext(one: str, many: str, n: int) -> str:
    """One of two forms by a number; the values are filled in by whoever shows it."""
    if spoken() == PSEUDO:
        return _pseudo(one if n == 1 else many)
    found = _catalogue(spoken()).get(one)
    if isinstance(found, tuple):
        # Chinese has one form for all numbers.
        return found[0]
    return one if n == 1 else many


def lookup(message: str) -> str:
    """A message in the language of this request, its placeholders still in it."""
    if spoken() == PSEUDO:
        return _pseudo(message) if message else ""
    found = _catalogue(spoken()).get(message, message)
    return found if isinstance(found, str) else found[0]


@cache
def _catalogue(language: str) -> Mapping[str, Message]:
    if language == ENGLISH:
        return {}
    path = files("volutus.console").joinpath("locales", language, "console.po")
    with path.open("rb") as file:
        read = read_po(file, locale=language)
    found: dict[str, Message] = {}
    for message in read:
        # A message with a plural has its first form as key.
        key = message.id[0] if isinstance(message.id, tuple | list) else message.id
        text = tuple(message.string) if isinstance(message.string, tuple | list) else message.string
        if key and text and not message.fuzzy:
            found[str(key)] = text
    return found


@cache
def _pseudo(message: str) -> str:
    pieces = _KEPT.split(message)
    text = "".join(piece if number % 2 else piece.translate(_ACCENTED) for number, piece in enumerate(pieces))
    return PSEUDO_BRACKETS[0] + text + PSEUDO_BRACKETS[1]

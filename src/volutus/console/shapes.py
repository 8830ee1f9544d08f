"""What a page of a list is made of: cells, rows, forms. Templates turn it into HTML; nothing here is HTML."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from volutus.console.api import Document
from volutus.console.visits import Visit

PAGE_ROWS = 50
# What a list to choose from shows; who has more uses the API.
CHOICES_MAX = 200


@dataclass(frozen=True)
class Cell:
    """`state` shows the text as a state, `code` as something to copy."""

    text: str
    href: str = ""
    state: bool = False
    code: bool = False


@dataclass(frozen=True)
class Field:
    """`kind` is a type of input, or `select`, `area`, `hidden`."""

    name: str
    label: str = ""
    kind: str = "text"
    value: str = ""
    hint: str = ""
    options: Sequence[tuple[str, str]] = ()
    required: bool = True


@dataclass(frozen=True)
class Form:
    """`act` tells the page's forms apart. `danger` says what is lost."""

    act: str
    title: str
    fields: Sequence[Field] = ()
    button: str = ""
    danger: str = ""
    open: bool = False


@dataclass(frozen=True)
class Row:
    """One object, with the forms that act on it."""

    cells: Sequence[Cell]
    forms: Sequence[Form] = ()
    key: str = ""


@dataclass(frozen=True)
class Listing:
    """A whole page of a list. `command` makes the same by API; `busy` has the page look again soon."""

    title: str
    about: str
    columns: Sequence[str]
    rows: Sequence[Row]
    empty: str
    command: str
    create: Sequence[Form] = ()
    more: str = ""
    busy: bool = False
    crumb: tuple[str, str] | None = None


def hidden(**values: str) -> list[Field]:
    """Fields that say which object a form is about."""
    return [Field(name, kind="hidden", value=value) for name, value in values.items()]


def delete_form(key: str, name: str, lost: str, act: str = "delete") -> Form:
    """The confirmation of a deletion, which names its object."""
    return Form(act, "Delete", hidden(id=key), f"Delete {name}", danger=lost)


def choices(items: Iterable[Document], key: str = "id") -> list[tuple[str, str]]:
    """Objects to choose from: value and what is shown."""
    return [(str(item[key]), str(item.get("name") or item[key])) for item in items]


async def page_of(visit: Visit, path: str, noun: str, **query: str) -> tuple[list[Document], str]:
    """One page of a list, and the address of the next; one more than shown is asked for, to know if there is
    one."""
    wanted: dict[str, str | int | None] = {"limit": PAGE_ROWS + 1, "marker": visit.asked("marker"), **query}
    found = await visit.api.items(path, noun, **wanted)
    if len(found) <= PAGE_ROWS:
        return found, ""
    shown = found[:PAGE_ROWS]
    return shown, visit.with_query(marker=str(shown[-1]["id"]))


def when(text: str | None) -> str:
    """A time as people read it: UTC, to the second."""
    return (text or "").replace("T", " ").partition(".")[0].rstrip("Z")


def short(text: str) -> str:
    """The beginning of an id, enough to tell two apart."""
    return text[:8]

"""What pages are made of: cells, rows, tables, facts, forms. Templates turn them into HTML; nothing here is
HTML."""

import base64
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from volutus.console.api import Document
from volutus.console.language import _
from volutus.console.visits import Visit

PAGE_ROWS = 50
# What a list to choose from shows; who has more uses the API.
CHOICES_MAX = 200
_GIB = 1 << 30
_MIB = 1 << 20
_MINUTE_S = 60


@dataclass(frozen=True)
class Cell:
    """`state` shows the text as a state, `code` as something to copy, `number` to the right,
    `time` on one line."""

    text: str
    href: str = ""
    state: bool = False
    code: bool = False
    number: bool = False
    time: bool = False


@dataclass(frozen=True)
class Field:
    """`kind` is a type of input, or `select`, `area`, `hidden`, `checkbox`, `slider`. `bounds` are a number's
    least and most; a slider's number may go beyond its most. `step` is a slider's."""

    name: str
    label: str = ""
    kind: str = "text"
    value: str = ""
    hint: str = ""
    options: Sequence[tuple[str, str]] = ()
    required: bool = True
    bounds: tuple[int, int | None] = (0, None)
    step: int = 1


@dataclass(frozen=True)
class Form:
    """`act` tells the page's forms apart. `about` says what comes of it, `danger` what is lost.
    `direct` needs no fold: one button.
    `priced` is where the price of what the form has is asked for, as it is typed."""

    act: str
    title: str
    fields: Sequence[Field] = ()
    button: str = ""
    danger: str = ""
    about: str = ""
    open: bool = False
    direct: bool = False
    priced: str = ""


@dataclass(frozen=True)
class Link:
    """Somewhere to go from a page's head or a row; a `download` stays on the page."""

    href: str
    text: str
    download: str = ""


@dataclass(frozen=True)
class Row:
    """One object, with the forms that act on it. `mark` is its value among those ticked for a bulk action."""

    cells: Sequence[Cell]
    forms: Sequence[Form] = ()
    key: str = ""
    links: Sequence[Link] = ()
    mark: str = ""


@dataclass(frozen=True)
class Search:
    """What the API is asked to find: a text (none without a label), and other fields or choices."""

    label: str
    filters: Sequence[Field] = ()


@dataclass(frozen=True)
class Table:
    """`empty` says what to do when there is no row. `more` is the address of the next page,
    `bulk` what can be done with all that are ticked."""

    columns: Sequence[str]
    rows: Sequence[Row]
    empty: str
    title: str = ""
    more: str = ""
    search: Search | None = None
    bulk: Sequence[Form] = ()


@dataclass(frozen=True)
class Facts:
    """Names and values of one object."""

    title: str
    pairs: Sequence[tuple[str, Cell]]


@dataclass(frozen=True)
class Sheet:
    """A whole page. `command` makes the same by API; `busy` says that it will soon change by itself;
    `acts` are the forms about the whole."""

    title: str
    about: str
    command: str
    tables: Sequence[Table] = ()
    facts: Sequence[Facts] = ()
    acts: Sequence[Form] = ()
    create: Sequence[Form] = ()
    links: Sequence[Link] = ()
    busy: bool = False
    crumb: tuple[str, str] | None = None


def hidden(**values: str) -> list[Field]:
    """Fields that say which object a form is about."""
    return [Field(name, kind="hidden", value=value) for name, value in values.items()]


def delete_form(key: str, name: str, lost: str, act: str = "delete") -> Form:
    """The confirmation of a deletion, which names its object."""
    button = _("Delete %(name)s", name=name)
    return Form(act, _("Delete"), hidden(id=key), button, danger=lost)


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
    return (text or "").replace("T", " ").partition(".")[0].partition("+")[0].rstrip("Z")


def moment(text: str | None) -> Cell:
    """A cell that says when."""
    return Cell(when(text), time=True)


def took(step: Document) -> str:
    """How long a step of an action took, which has ended."""
    begin, end = (datetime.fromisoformat(step[name]) for name in ("start_time", "finish_time"))
    seconds = (end - begin).total_seconds()
    return f"{seconds:.2f} s" if seconds < _MINUTE_S else f"{seconds / _MINUTE_S:.1f} min"


def in_region(command: str, region: str) -> str:
    """Commands as they are given for another region than the client's usual one."""
    if not region:
        return command
    return re.sub(
        r"(?m)^openstack ", lambda _found: f"openstack --os-region-name {shlex.quote(region)} ", command
    )


def short(text: str) -> str:
    """The beginning of an id, enough to tell two apart."""
    return text[:8]


def size_shown(count: int | None) -> str:
    """Bytes as people read them."""
    if not count:
        return ""
    return f"{count / _GIB:,.1f} GiB" if count >= _GIB else f"{count / _MIB:,.1f} MiB"


def data_address(content: str, kind: str) -> str:
    """A download made of the page itself, for what is kept nowhere."""
    return f"data:{kind};base64,{base64.b64encode(content.encode()).decode()}"

"""Prices: now, in the next cycle, ahead, and how they came about. Public: whoever compares needs no
account."""

from dataclasses import dataclass
from decimal import Decimal

from starlette.responses import Response

from volutus.console.api import Document, together
from volutus.console.costs import BILLING
from volutus.console.language import _
from volutus.console.money import meter_name, plain, unit_name
from volutus.console.rendering import Page, Renderer
from volutus.console.shapes import Cell, Row, Sheet, Table, when
from volutus.console.visits import Visit

# A day of cycles.
HISTORY_MAX = 288
LEVELS = 20
_WIDTH, _HEIGHT = 720, 160


@dataclass(frozen=True)
class Graph:
    """A step for each cycle, in the units of the drawing; the last one is the next cycle's."""

    points: str
    since: str
    until: str
    level: int
    next_level: int
    load: str
    width: int = _WIDTH
    height: int = _HEIGHT


async def show(renderer: Renderer, visit: Visit) -> Response:
    """The list in force, and the levels of the last day of one meter."""
    meter = visit.asked("meter") or "cpu_mhz"
    found, history = await together(
        visit.api.get(f"{BILLING}/prices"),
        visit.api.items(f"{BILLING}/prices/history", "history", meter=meter, limit=HISTORY_MAX),
    )
    about = _(
        "In %(currency)s, region %(region)s. Prices of what is used follow the load by levels; "
        "those of the next five minutes are known now.",
        currency=found["price_list"]["currency"],
        region=found["price_list"]["region"],
    )
    address = visit.address(f"{BILLING}/prices")
    sheet = Sheet(
        title=_("Prices"),
        about=about,
        tables=[
            Table(
                (
                    _("What"),
                    _("Unit"),
                    _("Ahead"),
                    _("Now"),
                    _("From %(time)s", time=when(found["next_at"])[11:16]),
                ),
                [_row(one) for one in found["prices"]],
                _("Nothing has a price here: nothing is charged."),
            )
        ],
        command=f"curl {address}\ncurl '{address}/history?meter={meter}'",
    )
    meters = sorted({one["meter"] for one in found["prices"] if one["current"] is not None})
    return renderer.page(
        "prices.html",
        visit,
        sheet=sheet,
        graph=_graph(history),
        meter=meter,
        meters=[(one, meter_name(one)) for one in meters],
    )


def _graph(history: list[Document]) -> Graph | None:
    """The history oldest first, as steps."""
    if not history:
        return None
    lines = sorted(history, key=lambda one: int(one["billing_cycle"]))
    first, last = int(lines[0]["billing_cycle"]), int(lines[-1]["billing_cycle"]) + 1
    corners = []
    for line in lines:
        at = int(line["billing_cycle"])
        y = _HEIGHT - _HEIGHT * int(line["level"]) // LEVELS
        corners += [(_x(at, first, last), y), (_x(at + 1, first, last), y)]
    now = next((line for line in reversed(lines) if not line["is_next"]), lines[-1])
    return Graph(
        " ".join(f"{x},{y}" for x, y in corners),
        when(lines[0]["time"]),
        when(lines[-1]["time"]),
        int(now["level"]),
        int(lines[-1]["level"]),
        f"{Decimal(now['smoothed']) * 100:.0f} %",
    )


def _x(cycle: int, first: int, last: int) -> int:
    return _WIDTH * (cycle - first) // max(1, last - first)


def _row(one: Document) -> Row:
    level = _(" (level %(level)s)", level=one["level"]) if one["level"] else ""
    cells = (
        Cell(meter_name(one["meter"]), f"/prices?meter={one['meter']}" if one["current"] else ""),
        Cell(unit_name(one["unit"])),
        Cell(plain(one["ahead"]), number=True),
        Cell(plain(one["current"]) + (level if one["current"] else ""), number=True),
        Cell(plain(one["next"]), number=True),
    )
    return Row(cells, key=one["meter"].replace(":", "-"))


PAGE = Page("/prices", show, open=True)

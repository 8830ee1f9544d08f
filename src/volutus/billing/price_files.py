"""Price lists as files: TOML for people, CSV for spreadsheets. Read strictly, written so that they read back.

```toml
list = "us-west.cny"
region = "us-west"
currency = "CNY"
default = true

[[price]]
meter = "storage_gib"
class = "nvme"            # optional
ahead = "0.45"            # per unit, bought ahead (level 0)
use = "0.675"             # per unit, in use; or levels = ["0.675", "0.7", …] for levels 1, 2, …
```
Amounts are strings: a number in TOML would pass through a float.
"""

import csv
import io
import tomllib
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from volutus.billing.meters import CLASS_SEPARATOR
from volutus.billing.prices import AHEAD, LEVEL_MAX, USE, Edition, Price
from volutus.errors import Invalid

_HEAD = frozenset(
    {"list", "region", "currency", "base", "factor", "default", "public", "valid_from", "price"}
)
_ROW = frozenset({"meter", "class", "ahead", "use", "levels"})
_CSV_COLUMNS = ("list", "region", "currency", "meter", "class", "level", "price")


def read_toml(text: str) -> Edition:
    """The edition that a file describes. Raises Invalid naming the line of the list that is wrong."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"This is not TOML: {error}") from error
    _only(document, _HEAD, "the list")
    prices: list[Price] = []
    for number, row in enumerate(document.get("price", []), start=1):
        prices += _prices(row, f"price {number}")
    valid_from = document.get("valid_from")
    if valid_from is not None and (not isinstance(valid_from, datetime) or valid_from.tzinfo is None):
        raise Invalid("valid_from is a time with its zone: 2026-12-01T00:00:00Z", field="valid_from")
    return Edition(
        list_id=_word(document, "list"),
        region=_word(document, "region"),
        currency=_word(document, "currency"),
        valid_from=valid_from,
        prices=tuple(prices),
        base_id=document.get("base"),
        factor=_amount(document.get("factor", "1"), "factor"),
        is_default=document.get("default", False) is True,
        is_public=document.get("public", True) is True,
    )


def read_csv(text: str) -> Edition:
    """A list with columns list, region, currency, meter, class, level, price. What a table cannot say
    (default, base, factor) is for `prices.continued`."""
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != _CSV_COLUMNS:
        raise Invalid(f"The columns are {', '.join(_CSV_COLUMNS)}.", field="header")
    rows = list(reader)
    if not rows:
        raise Invalid("The table has no rows.")
    heads = {(row["list"], row["region"], row["currency"]) for row in rows}
    if len(heads) != 1:
        raise Invalid("All rows are of one list, region and currency.", field="list")
    ((list_id, region, currency),) = heads
    prices = tuple(_csv_price(row, number) for number, row in enumerate(rows, start=2))
    return Edition(list_id, region, currency, None, prices)


def write_toml(edition: Edition) -> str:
    """The file that reads back as this edition, but for its time: an edition is published anew."""
    head: dict[str, str] = {
        "list": f'"{edition.list_id}"',
        "region": f'"{edition.region}"',
        "currency": f'"{edition.currency}"',
    }
    if edition.base_id:
        head |= {"base": f'"{edition.base_id}"', "factor": f'"{_plain(edition.factor)}"'}
    head |= {"default": str(edition.is_default).lower(), "public": str(edition.is_public).lower()}
    lines = [f"{name} = {value}" for name, value in head.items()]
    for meter, own in _by_meter(edition.prices).items():
        name, _, of_class = meter.partition(CLASS_SEPARATOR)
        lines += ["", "[[price]]", f'meter = "{name}"']
        if of_class:
            lines.append(f'class = "{of_class}"')
        if AHEAD in own:
            lines.append(f'ahead = "{_plain(own[AHEAD])}"')
        levels = [level for level in own if level >= USE]
        if levels == [USE]:
            lines.append(f'use = "{_plain(own[USE])}"')
        elif levels:
            # A level without a price of its own has that of the one below it.
            row, price = [], own[USE]
            for level in range(USE, levels[-1] + 1):
                price = own.get(level, price)
                row.append(f'"{_plain(price)}"')
            lines.append(f"levels = [{', '.join(row)}]")
    return "\n".join(lines) + "\n"


def write_csv(edition: Edition) -> str:
    """The same as a table."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    head = (edition.list_id, edition.region, edition.currency)
    for price in sorted(edition.prices, key=lambda price: (price.meter, price.level)):
        name, _, of_class = price.meter.partition(CLASS_SEPARATOR)
        writer.writerow((*head, name, of_class, price.level, _plain(price.price)))
    return out.getvalue()


def _prices(row: Mapping[str, Any], where: str) -> list[Price]:
    _only(row, _ROW, where)
    meter = _key(_word(row, "meter"), row.get("class"))
    if "use" in row and "levels" in row:
        raise Invalid(f"{where}: either use or levels.", field="levels")
    found = [Price(meter, AHEAD, _amount(row["ahead"], f"{where}: ahead"))] if "ahead" in row else []
    levels = row.get("levels", [row["use"]] if "use" in row else [])
    if not isinstance(levels, list) or len(levels) > LEVEL_MAX:
        raise Invalid(f"{where}: levels is a list of up to {LEVEL_MAX} amounts.", field="levels")
    found += [
        Price(meter, level, _amount(text, f"{where}: level {level}"))
        for level, text in enumerate(levels, start=USE)
    ]
    if not found:
        raise Invalid(f"{where} has no amount.", field="price")
    return found


def _csv_price(row: Mapping[str, str], number: int) -> Price:
    level = row["level"] or ""
    if not level.isdigit():
        raise Invalid(f"line {number}: the level is a number of 0 to {LEVEL_MAX}.", field="level")
    return Price(_key(row["meter"], row["class"]), int(level), _amount(row["price"], f"line {number}"))


def _key(meter: str, of_class: str | None) -> str:
    return f"{meter}{CLASS_SEPARATOR}{of_class}" if of_class else meter


def _by_meter(prices: Sequence[Price]) -> dict[str, dict[int, Decimal]]:
    found: dict[str, dict[int, Decimal]] = {}
    for price in sorted(prices, key=lambda price: (price.meter, price.level)):
        found.setdefault(price.meter, {})[price.level] = price.price
    return found


def _only(document: Mapping[str, Any], names: frozenset[str], where: str) -> None:
    if unknown := sorted(set(document) - names):
        raise Invalid(f"{where}: there is no field {unknown[0]!r}.", field=unknown[0])


def _word(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise Invalid(f"{name} is missing.", field=name)
    return value


def _amount(value: Any, where: str) -> Decimal:
    if not isinstance(value, str):
        raise Invalid(f'{where}: write the amount as a string: "0.45".', field="price")
    try:
        amount = Decimal(value.strip())
    except InvalidOperation as error:
        raise Invalid(f"{where}: {value!r} is not an amount.", field="price") from error
    if not amount.is_finite():
        raise Invalid(f"{where}: {value!r} is not an amount.", field="price")
    return amount


def _plain(amount: Decimal) -> str:
    """Without an exponent or needless zeros."""
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text

"""Brings the messages that the console's pages use into its catalogues: new ones empty, old ones removed."""

import io
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

CONSOLE = Path(__file__).resolve().parent.parent / "src" / "volutus" / "console"
LANGUAGES = ("zh",)
_METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext.babel_extract")]
_KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2), "gettext": None}


def used() -> Catalog:
    """All messages of the pages and their templates."""
    catalog = Catalog(charset="utf-8")
    options = {"**/templates/**.html": {"trimmed": "false", "silent": "false"}}
    found = extract_from_dir(str(CONSOLE), _METHODS, options_map=options, keywords=_KEYWORDS)
    for _file, _line, message, _comments, _context in found:
        catalog.add(message)
    return catalog


def kept(language: str) -> Catalog:
    """A catalogue as it is."""
    with (CONSOLE / "locales" / language / "console.po").open("rb") as file:
        return read_po(file, locale=language)


def main() -> None:
    """Renew each catalogue; say what has no translation."""
    for language in LANGUAGES:
        path = CONSOLE / "locales" / language / "console.po"
        catalog = kept(language) if path.exists() else Catalog(locale=language, charset="utf-8")
        catalog.update(used(), no_fuzzy_matching=True)
        catalog.obsolete.clear()
        written = io.BytesIO()
        write_po(written, catalog, width=110, omit_header=True, sort_output=True, ignore_obsolete=True)
        path.write_bytes(written.getvalue())
        missing = sum(1 for message in catalog if message.id and not message.string)
        sys.stdout.write(f"{language}: {len(catalog)} messages, {missing} without a translation\n")


if __name__ == "__main__":
    main()

"""What fits on a screen is read: bounds on files, functions and parameters, and a docstring on top of each
module."""

import ast
from pathlib import Path

from tests.rules.sources import ROOT, Function, modules, report

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
PARAMETERS_MAX = 6
# A shorter docstring repeats the module's name.
DOCSTRING_WORDS_MIN = 4


def test_files_fit() -> None:
    paths = [module.path for module in modules()] + sorted((ROOT / "tests").rglob("*.py"))
    found = [
        f"{path.relative_to(ROOT)}:{length}: {length} lines, {FILE_LINES_MAX} at most; split it by nouns"
        for path in paths
        if (length := _length(path)) > FILE_LINES_MAX
    ]
    assert not found, report(found)


def test_functions_fit() -> None:
    found = [
        f"{module.at(function)}: {function.name} has {length} lines, {FUNCTION_LINES_MAX} at most; "
        "keep the branches, move plain work into helpers below"
        for module in modules()
        if ".migrations."
        not in module.name  # One statement after the other, never read but from top to bottom.
        for function in module.functions()
        if (length := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    ]
    assert not found, report(found)


def test_parameters_are_few() -> None:
    found = [
        f"{module.at(function)}: {function.name} takes {count} parameters, {PARAMETERS_MAX} at most; "
        "name the order with a frozen dataclass"
        for module in modules()
        for function in module.functions()
        if (count := _parameters(function)) > PARAMETERS_MAX
    ]
    assert not found, report(found)


def test_modules_say_what_they_are_for() -> None:
    found = [
        f"{module.at(1)}: no docstring that says what the module is for; open with one"
        for module in modules()
        if len((ast.get_docstring(module.tree) or "").split()) < DOCSTRING_WORDS_MIN
    ]
    assert not found, report(found)


def _length(path: Path) -> int:
    return len(path.read_text().splitlines())


def _parameters(function: Function) -> int:
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])

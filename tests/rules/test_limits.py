"""Every list that is read from the database says its limit.

A call that reads many rows (`.rows()`, `.all()`, `.fetchall()`, `.scalars()`) passes if what makes its
statement, followed through names and helper functions of ours, says `limit`, or if the statement writes
(what a write touched is all it returns). Where the number of rows is bounded by something else, the line
says so: `# bounded: WHY`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

from tests.rules.sources import Function, Module, dotted, load, modules, report

READERS = {"rows", "all", "fetchall", "scalars"}
# Domains; above and below them nothing makes statements.
NOT_DOMAINS = {"agent", "cli", "setup", "supervise", "imagebuild", "console"}
MARKER = "# bounded:"
FOLLOWED_MAX = 6
_WRITES = {"insert", "update", "delete"}


def test_lists_say_their_limit() -> None:
    found = [
        f"{module.at(call)}: reads rows without a limit; add `.limit(…)`, or `{MARKER} WHY` on the line"
        for module in modules()
        if module.package not in NOT_DOMAINS and module.name != "volutus.db.database"
        for call in unlimited(module)
    ]
    assert not found, report(found)


def test_the_rule_itself(tmp_path: Path) -> None:
    """It finds what it should, and follows names and helpers."""
    path = tmp_path / "sample.py"
    path.write_text(
        dedent("""
        from sqlalchemy import delete, select, text
        _ALL = select(table)
        _CUT = text("SELECT 1 FROM t LIMIT :n")
        def _base(): return select(table).limit(5)
        def bad(tx): return tx.rows(_ALL)
        def also_bad(tx): return tx.execute(select(table)).all()
        def good(tx): return tx.rows(_CUT)
        def helped(tx):
            statement = _base()
            return tx.rows(statement)
        def writes(tx): return tx.rows(delete(table).returning(table.c.id))
        def said(tx): return tx.rows(_ALL)  # bounded: the table has one row a region
        def silent(tx): return tx.rows(_ALL)  # bounded:
        """)
    )
    module = load(path, "sample")
    assert [line_of(module, call) for call in unlimited(module)] == ["bad", "also_bad", "silent"]


def line_of(module: Module, call: ast.Call) -> str:
    """The name of the function around a call."""
    return next(function.name for function in module.functions() if call in ast.walk(function))


def unlimited(module: Module) -> Iterator[ast.Call]:
    """Calls that read rows of a statement without a limit."""
    functions = [*module.functions()]
    for call in ast.walk(module.tree):
        if not (
            isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in READERS
        ):
            continue
        if _is_marked(module, call) or (
            dotted(call.func) in ("", "asyncio.all") and call.func.attr == "all" and call.args
        ):
            continue
        around = [function for function in functions if call in ast.walk(function)]
        if not _limited(module, call, around, FOLLOWED_MAX):
            yield call


def _is_marked(module: Module, call: ast.Call) -> bool:
    above = module.lines[call.lineno - 2].lstrip() if call.lineno > 1 else ""
    lines = [above if above.startswith("#") else "", *module.lines[call.lineno - 1 : call.end_lineno]]
    return any(line.partition(MARKER)[2].strip() for line in lines)


def _limited(module: Module, node: ast.AST, around: list[Function], depth: int) -> bool:
    """Whether the code that makes this expression says `limit`, or writes."""
    if any(_says_limit(inner) for inner in ast.walk(node)):
        return True
    if depth == 0:
        return False
    names = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    for owner, definition in _definitions(module, names, around):
        inner_around = around if owner is module else []
        if definition is not node and _limited(owner, definition, inner_around, depth - 1):
            return True
    return False


def _says_limit(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name):
            return node.func.id in _WRITES
        return isinstance(node.func, ast.Attribute) and node.func.attr == "limit"
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        sql = " ".join(node.value.upper().split())
        writes = any(word in sql for word in ("INSERT INTO ", "DELETE FROM ")) or (
            "UPDATE " in sql and " SET " in sql
        )
        # A statement that is given its keys answers no more than it was given.
        return writes or " LIMIT " in sql or "= ANY(CAST(:" in sql
    return False


def _definitions(module: Module, names: set[str], around: list[Function]) -> Iterator[tuple[Module, ast.AST]]:
    """What the names stand for: assignments near the call, then the module's, then those of other modules of
    ours."""
    for scope in (*around, module.tree):
        for node in ast.walk(scope) if isinstance(scope, Function) else scope.body:
            if _assigned(node) & names or (
                isinstance(node, Function) and node.name in names and node not in around
            ):
                yield module, node
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("volutus."):
            wanted = {alias.name for alias in node.names if (alias.asname or alias.name) in names}
            yield from _of_other_module(str(node.module), wanted)


def _of_other_module(name: str, wanted: set[str]) -> Iterator[tuple[Module, ast.AST]]:
    owner = next((module for module in modules() if module.name == name), None)
    for node in owner.tree.body if owner and wanted else ():
        if (isinstance(node, Function) and node.name in wanted) or _assigned(node) & wanted:
            yield owner, node  # type: ignore[misc]
        elif (
            isinstance(node, ast.ImportFrom) and node.module and {alias.name for alias in node.names} & wanted
        ):
            yield from _of_other_module(node.module, {alias.name for alias in node.names} & wanted)


def _assigned(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Assign):
        return {dotted(target) for target in node.targets}
    if isinstance(node, ast.AnnAssign | ast.AugAssign):
        return {dotted(node.target)}
    return set()

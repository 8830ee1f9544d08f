"""The package's modules as trees, for the rules to walk. Decides nothing."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import volutus

PACKAGE = Path(volutus.__file__).parent
ROOT = next(parent for parent in PACKAGE.parents if (parent / "pyproject.toml").exists())

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """`name` is dotted, `volutus` itself included; `package` the part below it, empty for single modules."""

    path: Path
    name: str
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def at(self, node: ast.AST | int) -> str:
        """`file:line`, as editors understand it."""
        line = node if isinstance(node, int) else getattr(node, "lineno", 1)
        return f"{self.path.relative_to(ROOT)}:{line}"

    def functions(self) -> Iterator[Function]:
        """All functions and methods, inner ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node


@cache
def modules() -> tuple[Module, ...]:
    """The whole package."""
    return tuple(load(path, _dotted(path)) for path in sorted(PACKAGE.rglob("*.py")))


def load(path: Path, name: str) -> Module:
    """One module; the rules' own tests give it text of their own."""
    text = path.read_text()
    return Module(path, name, text, ast.parse(text))


def imported(module: Module) -> Iterator[tuple[str, ast.AST]]:
    """The dotted names of ours that a module imports, with the names taken from them."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node


def dotted(node: ast.AST) -> str:
    """`a.b.c` for a chain of attributes, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (inner := dotted(node.value)):
        return f"{inner}.{node.attr}"
    return ""


def report(found: list[str]) -> str:
    """All findings, one a line."""
    return "\n" + "\n".join(found)


def _dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

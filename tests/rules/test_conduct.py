"""What code below the edges may not do: speak HTTP, swallow errors, ask the machine for time or chance."""

import ast

from tests.rules.sources import Module, dotted, imported, modules, report

# Who speaks HTTP, on either side of it.
SPEAKERS = {"http", "console", "agent"}
STATUS_NUMBERS = {200, 201, 202, 204, 300, 301, 302, 304, 400, 401, 403, 404, 405, 406, 409, 410, 412, 413}
STATUS_NUMBERS |= {415, 422, 429, 500, 501, 502, 503, 504}
# Where a number of that size is plainly compared with or given as a status.
STATUS_WORDS = ("status", "status_code", "code", "http_status")

# Those that run machines, not clouds: no test replays them.
CLOCKS_OWN = {"clock", "agent", "supervise", "setup", "cli", "imagebuild", "logs"}
CLOCK_CALLS = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "date.today",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
}
CHANCE_OWN = {"ids", "agent", "imagebuild", "supervise", "setup"}
CHANCE_CALLS = {"uuid.uuid1", "uuid.uuid4", "uuid4", "os.urandom"}


def test_no_status_numbers_below_http() -> None:
    found = [
        f"{module.at(node)}: {node.value} looks like a status of HTTP; raise a family of `volutus.errors`"
        for module in modules()
        if module.package not in SPEAKERS
        for node in _given_as_status(module)
    ]
    assert not found, report(found)


def test_nothing_is_swallowed() -> None:
    found = [
        f"{module.at(node)}: {what}; name what is expected, let the rest rise"
        for module in modules()
        for node, what in _swallowing(module)
    ]
    assert not found, report(found)


def test_time_comes_from_the_clock() -> None:
    found = [
        f"{module.at(node)}: {dotted(node.func)}() cannot be replayed; take `tx.now` or a `Clock`"
        for module in modules()
        if module.package not in CLOCKS_OWN
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and dotted(node.func) in CLOCK_CALLS
    ]
    assert not found, report(found)


def test_chance_comes_from_ids() -> None:
    """`secrets` stays: what must not be guessed must not be replayed either."""
    found = [
        f"{module.at(node)}: random numbers cannot be replayed; take them from an `Ids`"
        for module in modules()
        if module.package not in CHANCE_OWN
        for node in _chance(module)
    ]
    assert not found, report(found)


def test_nothing_is_left_for_later() -> None:
    words = ("TODO", "FIXME", "XXX", "NotImplementedError")
    found = [
        f"{module.at(number)}: {word}; do it, or leave it out"
        for module in modules()
        for number, line in enumerate(module.lines, start=1)
        for word in words
        if word in line
    ]
    assert not found, report(found)


def _given_as_status(module: Module) -> list[ast.Constant]:
    found: list[ast.AST] = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.keyword) and node.arg in STATUS_WORDS:
            found.append(node.value)
        elif isinstance(node, ast.Compare) and dotted(node.left).split(".")[-1] in STATUS_WORDS:
            found.extend(inner for comparator in node.comparators for inner in ast.walk(comparator))
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if node.value and any(
                dotted(target).split(".")[-1].lower() in STATUS_WORDS for target in targets
            ):
                found.append(node.value)
    return [node for node in found if isinstance(node, ast.Constant) and node.value in STATUS_NUMBERS]


def _swallowing(module: Module) -> list[tuple[ast.ExceptHandler, str]]:
    found = []
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        if node.type is None:
            found.append((node, "a bare `except`"))
        elif dotted(node.type) in ("Exception", "BaseException") and not _handles(module, node):
            found.append(
                (
                    node,
                    f"`except {dotted(node.type)}` that neither raises, logs nor says why",
                )
            )
    return found


def _handles(module: Module, handler: ast.ExceptHandler) -> bool:
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    logs = any(isinstance(node, ast.Attribute) and node.attr == "exception" for node in ast.walk(handler))
    _, _, reason = module.lines[handler.lineno - 1].partition("noqa: BLE001")
    return raises or logs or len(reason.split()) > 1


def _chance(module: Module) -> list[ast.AST]:
    calls = [
        node
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and dotted(node.func) in CHANCE_CALLS
    ]
    return calls + [node for name, node in imported(module) if name.split(".")[0] == "random"]

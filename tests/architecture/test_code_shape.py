"""Sizes of files and functions, and no mutable state in modules, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("audio", "asr", "server", "client", "benchmarks")
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
FILE_LIMIT_LINES = 350
FUNCTION_LIMIT_LINES = 40

MUTABLE_DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MUTABLE_TYPES = {
    *("list", "dict", "set", "bytearray", "deque", "defaultdict", "OrderedDict", "Counter"),
    *("count", "cycle", "iter", "open", "WeakKeyDictionary", "WeakValueDictionary", "WeakSet"),
    *("Lock", "RLock", "Event", "Condition", "Semaphore", "Thread", "Queue", "SimpleQueue"),
    *("ThreadPoolExecutor", "ProcessPoolExecutor", "ContextVar"),
}
MUTATORS = {
    *("append", "extend", "insert", "remove", "pop", "clear", "update", "setdefault", "popitem"),
    *("add", "discard", "sort", "reverse"),
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def read(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def long_functions(tree: ast.AST, limit: int) -> dict[str, int]:
    """Functions of `limit` lines or more, their docstrings not counted."""
    lengths = {node.name: body_lines(node) for node in ast.walk(tree) if isinstance(node, Function)}
    return {name: length for name, length in lengths.items() if length >= limit}


def body_lines(function: Function) -> int:
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    if not body:
        return 0
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def module_state(tree: ast.Module) -> set[str]:
    """Names of a module that hold mutable state.

    A list, dict or set is a table if its name is in capitals and nothing in the module changes
    it; locks, counters, queues and the like are state whatever they are called.
    """
    changed = set(changed_names(tree))
    found = set(globals_of(tree))
    for name, value in assignments(tree):
        if name == "__all__":
            continue
        if isinstance(value, MUTABLE_DISPLAYS):
            if name != name.upper() or name in changed:
                found.add(name)
        elif isinstance(value, ast.Call) and called(value) in MUTABLE_TYPES:
            found.add(name)
    return found


def assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from ((t.id, node.value) for t in node.targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def called(call: ast.Call) -> str:
    function = call.func.value if isinstance(call.func, ast.Subscript) else call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def globals_of(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield from node.names


def changed_names(tree: ast.AST) -> Iterator[str]:
    """Names whose value is changed in place: an item set or deleted, or a mutator called."""
    for node in ast.walk(tree):
        target: ast.expr | None = None
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            target = node.value
        elif isinstance(node, ast.AugAssign):
            target = node.target
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            target = node.func.value if node.func.attr in MUTATORS else None
        if isinstance(target, ast.Name):
            yield target.id


def short_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=short_name)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < FILE_LIMIT_LINES


@pytest.mark.parametrize("path", FILES, ids=short_name)
def test_functions_are_short(path: Path) -> None:
    assert not long_functions(read(path), FUNCTION_LIMIT_LINES)


@pytest.mark.parametrize("path", FILES, ids=short_name)
def test_modules_hold_no_state(path: Path) -> None:
    assert not module_state(read(path))


def test_every_package_is_read() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in FILES} == set(PACKAGES)


# -- the rules themselves ----------------------------------------------------------------------


def function_of(lines: int) -> ast.Module:
    body = "\n".join(["    x = 1"] * lines)
    return ast.parse(
        f'class C:\n  async def long(self):\n    """One.\n\n    More.\n    """\n{body}'
    )


def test_a_long_function_is_found_and_its_docstring_is_not_counted() -> None:
    assert long_functions(function_of(FUNCTION_LIMIT_LINES), FUNCTION_LIMIT_LINES) == {"long": 40}
    assert not long_functions(function_of(FUNCTION_LIMIT_LINES - 1), FUNCTION_LIMIT_LINES)


@pytest.mark.parametrize(
    "snippet",
    [
        "cache = {}",
        "sessions: dict[str, int] = {}",
        "seen = set()",
        "_queue = collections.deque[int](maxlen=3)",
        "LOCK = threading.Lock()",
        "NUMBERS = itertools.count(1)",
        "CACHE: Final = {}\ndef f(x):\n    CACHE[x] = 1",
        "NAMES = []\ndef f(x):\n    NAMES.append(x)",
        "count = 0\ndef f():\n    global count\n    count += 1",
        "names = [n for n in range(3)]",
    ],
)
def test_state_is_found(snippet: str) -> None:
    assert module_state(ast.parse(snippet))


@pytest.mark.parametrize(
    "snippet",
    [
        "TABLE: Final = {'a': 1}",
        "NAMES = ('a', 'b')",
        "KINDS = frozenset({1, 2})",
        "logger = logging.getLogger(__name__)",
        "PATTERN = re.compile('a')",
        "__all__ = ['a']",
        "def f():\n    names = []\n    names.append(1)",
    ],
)
def test_constants_are_no_state(snippet: str) -> None:
    assert not module_state(ast.parse(snippet))

"""Who may import whom, read from the source. Each rule is also shown a snippet that breaks it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("audio", "asr", "server", "client", "benchmarks")

MUST_BE_PURE = {
    "audio.endpoint",
    "asr.agreement",
    "asr.batching",
    "asr.calibration",
    "asr.outcomes",
    "asr.quality",
    "asr.recogniser",
    "asr.thai_text",
    "server.messages",
    "server.protocol",
    "server.session",
}
"""Themselves and all they import; a module whose docstring says "Pure" answers for itself."""

IMPURE = ("asyncio", "threading", "concurrent", "multiprocessing", "time", "socket", "random")
ENGINE_LIBRARIES = ("ctranslate2", "faster_whisper")
MAY_IMPORT_ENGINE_LIBRARIES = {"asr.ct2_engine", "asr.features", "asr.convert_child"}
MAY_IMPORT_ASYNCIO = {
    *("asr.scheduler", "asr.lane", "asr.decode_worker", "asr.reopening"),
    *("asr.models", "asr.load_requests", "asr.loaded", "asr.fetches"),
}
"""The scheduler and the model manager, each with its parts."""


def modules() -> dict[str, ast.Module]:
    """Every module of the project by its dotted name."""
    trees: dict[str, ast.Module] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            trees[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return trees


MODULES = modules()


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names that a module imports anywhere, also within functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imports_any(tree: ast.AST, forbidden: Iterable[str]) -> set[str]:
    """Which of the forbidden modules, or parts of them, a module imports."""
    return {
        name
        for name in imported(tree)
        for module in forbidden
        if name == module or name.startswith(f"{module}.")
    }


def reachable(name: str, trees: Mapping[str, ast.Module]) -> set[str]:
    """The module and every project module that importing it imports."""
    found: set[str] = set()
    todo = [name]
    while todo:
        current = todo.pop()
        if current in trees and current not in found:
            found.add(current)
            todo += imported(trees[current])
    return found


def impure_imports(name: str, trees: Mapping[str, ast.Module]) -> set[str]:
    """Impure modules that a module imports, itself or through project modules."""
    return {
        f"{module} imports {found}"
        for module in reachable(name, trees)
        for found in imports_any(trees[module], IMPURE)
    }


def pure_modules() -> list[str]:
    declared = {name for name, tree in MODULES.items() if "Pure" in (ast.get_docstring(tree) or "")}
    return sorted(declared | MUST_BE_PURE)


def package_of(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("name", [n for n in MODULES if package_of(n) in ("asr", "audio")])
def test_asr_and_audio_know_nothing_of_those_above(name: str) -> None:
    assert not imports_any(MODULES[name], ("server", "client", "benchmarks", "websockets"))


@pytest.mark.parametrize("name", [n for n in MODULES if package_of(n) in ("asr", "audio")])
def test_asyncio_stays_in_the_scheduler_and_the_model_manager(name: str) -> None:
    if name not in MAY_IMPORT_ASYNCIO:
        assert not imports_any(MODULES[name], ("asyncio",))


@pytest.mark.parametrize("name", [n for n in MODULES if package_of(n) == "audio"])
def test_audio_knows_nothing_of_asr(name: str) -> None:
    assert not imports_any(MODULES[name], ("asr",))


@pytest.mark.parametrize("name", [n for n in MODULES if package_of(n) != "benchmarks"])
def test_the_engine_libraries_stay_in_the_engine(name: str) -> None:
    if name not in MAY_IMPORT_ENGINE_LIBRARIES:
        assert not imports_any(MODULES[name], ENGINE_LIBRARIES)


@pytest.mark.parametrize("name", pure_modules())
def test_pure_modules_import_nothing_impure(name: str) -> None:
    assert not imports_any(MODULES[name], IMPURE)


@pytest.mark.parametrize("name", sorted(MUST_BE_PURE))
def test_the_pure_core_reaches_nothing_impure(name: str) -> None:
    assert name in MODULES
    assert not impure_imports(name, MODULES)


def test_no_import_is_relative() -> None:
    relative = {
        n: found for n, tree in MODULES.items() for found in imported(tree) if found[0] == "."
    }
    assert not relative


def test_every_package_is_read() -> None:
    assert {package_of(name) for name in MODULES} == set(PACKAGES)


# -- the rules themselves ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "snippet",
    [
        "import asyncio",
        "import asyncio.queues",
        "from asyncio import Queue",
        "def later():\n    import asyncio",
        "if True:\n    from asyncio.events import get_event_loop",
    ],
)
def test_a_forbidden_import_is_found(snippet: str) -> None:
    assert imports_any(ast.parse(snippet), ("asyncio",))


@pytest.mark.parametrize("snippet", ["import asyncio_tools", "from time_units import ms", "x = 1"])
def test_a_name_that_only_begins_alike_is_not(snippet: str) -> None:
    assert not imports_any(ast.parse(snippet), ("asyncio", "time"))


def test_a_module_imported_from_its_package_is_found() -> None:
    assert imports_any(ast.parse("from server import protocol"), ("server.protocol",))


def test_impurity_is_found_behind_another_module() -> None:
    trees = {
        "asr.one": ast.parse("from asr.two import thing"),
        "asr.two": ast.parse("import time"),
        "asr.three": ast.parse("import math"),
    }
    assert impure_imports("asr.one", trees) == {"asr.two imports time"}
    assert not impure_imports("asr.three", trees)

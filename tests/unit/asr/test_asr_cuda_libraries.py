"""Finding the libraries of CUDA wheels, with made-up folders: not run on a GPU."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import ctranslate2
import pytest

from asr.cuda_libraries import open_cuda_libraries, wheel_folders


class Opener:
    """Opens what exists, by path, or is installed in the system, by name."""

    def __init__(self, *installed: str) -> None:
        self.installed = installed
        self.opened: list[str] = []

    def __call__(self, name: str) -> None:
        if name not in self.installed and not Path(name).is_file():
            raise OSError(f"{name}: cannot open shared object file")
        self.opened.append(name)


def wheel(folder: Path, kind: str, *names: str) -> Path:
    libraries = folder / "nvidia" / "cublas" / kind
    libraries.mkdir(parents=True)
    for name in names:
        (libraries / name).touch()
    return libraries


def test_a_wheel_is_opened_by_path_what_it_needs_first(tmp_path: Path) -> None:
    folder = wheel(tmp_path, "lib", "libcublas.so.12", "libcublasLt.so.12")
    opener = Opener("libcublas.so.12")
    found = open_cuda_libraries("linux", (folder,), opener)
    assert not found.problem
    assert found.folders == (folder,)
    assert opener.opened == [str(folder / "libcublasLt.so.12"), str(folder / "libcublas.so.12")]


def test_without_a_wheel_the_systems_libraries_serve() -> None:
    found = open_cuda_libraries("linux", (), Opener("libcublas.so.12", "libcublasLt.so.12"))
    assert found.opened == ("libcublasLt.so.12", "libcublas.so.12")
    assert not found.problem


def test_a_damaged_wheel_gives_way_to_the_systems_libraries(tmp_path: Path) -> None:
    folder = wheel(tmp_path, "lib", "libcublas.so.12", "libcublasLt.so.12")

    def opener(name: str) -> None:
        if Path(name).is_absolute():
            raise OSError("file too short")

    assert open_cuda_libraries("linux", (folder,), opener).opened == (
        "libcublasLt.so.12",
        "libcublas.so.12",
    )


def test_what_cannot_be_opened_is_named() -> None:
    found = open_cuda_libraries("linux", (), Opener())
    assert found.opened == ()
    assert "libcublas.so.12" in found.problem


def test_windows_wheels_join_the_search_path_once(tmp_path: Path) -> None:
    folder = wheel(tmp_path, "bin", "cublas64_12.dll", "cublasLt64_12.dll")
    environment = {"PATH": r"C:\Windows"}
    added: list[str] = []
    for _ in range(2):
        found = open_cuda_libraries("win32", (folder,), Opener(), environment, added.append)
    assert not found.problem
    assert found.opened[-1] == str(folder / "cublas64_12.dll")
    assert environment["PATH"] == f"{folder}{os.pathsep}C:\\Windows"
    assert set(added) == {str(folder)}


def test_a_system_without_cuda_says_so() -> None:
    assert "darwin" in open_cuda_libraries("darwin", (), Opener()).problem


@pytest.mark.parametrize(("platform", "kind"), [("linux", "lib"), ("win32", "bin")])
def test_the_folders_of_wheels_are_found_without_importing_them(
    tmp_path: Path, platform: str, kind: str
) -> None:
    folder = wheel(tmp_path, kind)
    places = {"nvidia.cublas": [str(tmp_path / "nvidia" / "cublas")]}
    assert wheel_folders(platform, lambda package: places.get(package, [])) == (folder,)


def test_an_environment_without_wheels_has_no_folders() -> None:
    assert wheel_folders("linux") == ()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a shared object of Linux")
def test_a_real_library_is_opened_and_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    folder = wheel(tmp_path, "lib")
    package = Path(ctranslate2.__file__).parent.parent
    (real,) = (package / "ctranslate2.libs").glob("libgomp*")
    for name in ("libcublasLt.so.12", "libcublas.so.12"):
        shutil.copyfile(real, folder / name)
    found = open_cuda_libraries("linux", (folder,))
    assert found.opened == (str(folder / "libcublasLt.so.12"), str(folder / "libcublas.so.12"))
    broken = wheel(tmp_path / "other", "lib", "libcublas.so.12")
    assert "libcublas.so.12" in open_cuda_libraries("linux", (broken,)).problem

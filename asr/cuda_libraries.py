"""The CUDA libraries that CTranslate2 opens by name, where pip's wheels put them.

CTranslate2 4.8 needs cuBLAS alone (`libcublas.so.12`, `cublas64_12.dll`; cuDNN no more, and the
CUDA runtime is part of it), and opens it at the first product of matrices, which is too late to
choose another device. No loader looks into the wheels of `requirements_gpu.txt` by itself; but a
library that is open already is found by its name.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_PACKAGES: Final = ("nvidia.cuda_runtime", "nvidia.cuda_nvrtc", "nvidia.cublas")
"""In the order in which they need each other; all but the last may be missing."""

_WINDOWS: Final = "win32"
_FOLDERS: Final[Mapping[str, str]] = {_WINDOWS: "bin"}
_OTHER_FOLDER: Final = "lib"
_LIBRARIES: Final[Mapping[str, tuple[str, ...]]] = {
    _WINDOWS: ("cublasLt64_12.dll", "cublas64_12.dll"),
    "linux": ("libcublasLt.so.12", "libcublas.so.12"),
}

Opener = Callable[[str], object]
"""Opens a library, by a path or by its name alone, for the rest of the process; OSError if not."""


@dataclass(frozen=True, slots=True)
class CudaLibraries:
    """What was found and opened."""

    folders: tuple[Path, ...]
    """Library folders of installed wheels."""
    opened: tuple[str, ...]
    """Paths or, of what the system itself finds, names."""
    problem: str = ""
    """Why cuBLAS cannot be used; empty if it can."""


def open_cuda_libraries(
    platform: str = sys.platform,
    folders: Iterable[Path] | None = None,
    opener: Opener | None = None,
    environment: MutableMapping[str, str] = os.environ,
    add_folder: Callable[[str], object] | None = None,
) -> CudaLibraries:
    """Open cuBLAS, of a wheel or else of the system. To be called before a model is loaded.

    On Windows the wheels' folders join the search path, since their libraries open further ones.
    """
    names = _LIBRARIES.get(platform)
    if names is None:
        return CudaLibraries((), (), f"CUDA does not run on {platform}")
    found = tuple(wheel_folders(platform) if folders is None else folders)
    if platform == _WINDOWS:
        _extend_search(found, environment, add_folder or _add_dll_directory)
    open_one = opener or _open
    opened: list[str] = []
    problem = ""
    for name in names:
        try:
            opened.append(_open_first(name, found, open_one))
        except OSError as error:
            problem = f"{name} cannot be opened: {error}"
    return CudaLibraries(found, tuple(opened), problem)


def wheel_folders(
    platform: str = sys.platform,
    locate: Callable[[str], Iterable[str]] | None = None,
) -> tuple[Path, ...]:
    """The library folders of the CUDA wheels in this environment. Imports none of them."""
    folder = _FOLDERS.get(platform, _OTHER_FOLDER)
    places = [Path(place) for name in _PACKAGES for place in (locate or _places)(name)]
    return tuple(place / folder for place in places if (place / folder).is_dir())


def _places(package: str) -> Iterable[str]:
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:  # `nvidia` itself is not there
        return ()
    return (spec.submodule_search_locations or ()) if spec is not None else ()


def _open_first(name: str, folders: Iterable[Path], opener: Opener) -> str:
    """Open a library: the wheel's, whose version is known, before the system's."""
    reasons: list[str] = []
    candidates = [str(folder / name) for folder in folders if (folder / name).is_file()]
    for candidate in (*candidates, name):
        try:
            opener(candidate)
        except OSError as error:
            reasons.append(str(error))
        else:
            return candidate
    raise OSError("; ".join(reasons))


def _extend_search(
    folders: Iterable[Path],
    environment: MutableMapping[str, str],
    add_folder: Callable[[str], object],
) -> None:
    for folder in map(str, folders):
        add_folder(folder)  # for what Python opens
        path = environment.get("PATH", "")
        if folder not in path.split(os.pathsep):  # for what those open by themselves
            environment["PATH"] = f"{folder}{os.pathsep}{path}"


def _add_dll_directory(folder: str) -> object:
    if sys.platform == "win32":
        return os.add_dll_directory(folder)
    return None


def _open(name: str) -> object:
    return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)

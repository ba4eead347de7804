"""The two start scripts, each in a project folder of its own with stand-ins for every Python.

A stand-in records its calls and does as much of Python's part as the script can see: it answers
`--version` and `--check`, "installs" by copying itself into .venv, and ends as the server would.
Under Wine it is a real python.exe: distlib's launcher, which runs a JScript with Wine's cscript.
"""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60
FIELD = "\x1f"
"""Between the fields of a recorded call, which are one line."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """How a Python answers."""

    version: str = "Python 3.12.4"
    check: int = 0
    install: int = 0
    gpu: int = 0
    server: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a stand-in. `open` is THAI_ASR_OPEN, empty if not set."""

    program: str
    folder: str
    open: str
    arguments: tuple[str, ...]

    @property
    def kind(self) -> str:
        """What was asked: check, version, install, prepare (nothing to install), gpu, server."""
        return self.arguments[0]


@dataclass(frozen=True, slots=True)
class Ended:
    """A script that ran: its exit status, and all it printed."""

    status: int
    output: str


@dataclass(frozen=True)
class StartScript:
    """What both have in common. `pythons` are the names they look for first, in that order."""

    parent: Path
    folder: Path
    pythons: tuple[str, str]
    encoding: str

    def calls(self) -> list[Call]:
        """The recorded calls, oldest first."""
        if not self.record.exists():
            return []
        text = self.record.read_text(encoding=self.encoding)
        text = text.replace("\0", "")  # Wine's JScript leaves some
        return [self._call(*line.split(FIELD)) for line in text.splitlines()]

    def kinds(self) -> list[str]:
        """What was asked for, oldest first."""
        return [call.kind for call in self.calls()]

    @property
    def record(self) -> Path:
        return self.parent / "calls.txt"

    @property
    def bin(self) -> Path:
        """The only folder on the PATH, the system's own aside."""
        return self.parent / "bin"

    @property
    def shown_folder(self) -> str:
        """The project's folder as the script sees it."""
        return str(self.folder)

    def add_python(self, name: str, stand_in: StandIn) -> None:
        raise NotImplementedError

    def run(
        self, *arguments: str, cwd: Path | None = None, variables: Mapping[str, str] | None = None
    ) -> Ended:
        """Run the script in its own folder or in `cwd`, nobody at the keyboard."""
        with self.popen(*arguments, cwd=cwd, variables=variables, stdin=subprocess.DEVNULL) as run:
            output, _ = run.communicate(timeout=LIMIT_S)
        return Ended(run.returncode, output.decode(errors="replace").replace("\r", ""))

    def popen(
        self,
        *arguments: str,
        cwd: Path | None = None,
        variables: Mapping[str, str] | None = None,
        stdin: int = subprocess.PIPE,
    ) -> subprocess.Popen[bytes]:
        """Start the script; its output comes as one stream."""
        return subprocess.Popen(
            self.command(cwd, arguments),
            cwd=cwd or self.folder,
            env={**self.environment(), **(variables or {})},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def command(self, cwd: Path | None, arguments: tuple[str, ...]) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        raise NotImplementedError

    @staticmethod
    def _call(program: str, folder: str, open_: str, *arguments: str) -> Call:
        return Call(program, folder, open_, arguments)


# -- Linux and macOS ---------------------------------------------------------------------------

SHELL_STAND_IN = """\
#!/bin/sh
case "$*" in
    *--check*) kind=check status={check} ;;
    *--version*) kind=version status=0; echo "{version}" ;;
    *prepare_venv.py*)
        kind=prepare status={install}
        if [ ! -e "$2/bin/python" ]; then
            kind=install
            [ $status = 0 ] && mkdir -p "$2/bin" && cp "$0" "$2/bin/python"
        fi ;;
    *find_gpu.py*) kind=gpu status={gpu} ;;
    *) kind=server status={server} ;;
esac
printf '%s\\037%s\\037%s\\037%s' "$0" "$PWD" "$THAI_ASR_OPEN" $kind >>"{record}"
printf '\\037%s' "$@" >>"{record}"
echo >>"{record}"
exit $status
"""


class ShellScript(StartScript):
    """start_realtime_asr.sh under bash."""

    @classmethod
    def make(cls, parent: Path, name: str) -> ShellScript:
        script = cls(parent, parent / name, ("python3", "python"), "utf-8")
        copy_project(script, "start_realtime_asr.sh")
        for tool in ("cat", "cp", "dirname", "mkdir"):
            (script.bin / tool).symlink_to(str(shutil.which(tool)))
        return script

    def add_python(self, name: str, stand_in: StandIn) -> None:
        program = self.bin / name
        program.write_text(SHELL_STAND_IN.format(record=self.record, **fields(stand_in)))
        program.chmod(0o755)

    def command(self, cwd: Path | None, arguments: tuple[str, ...]) -> list[str]:
        script = self.folder / "start_realtime_asr.sh"
        return [str(shutil.which("bash")), str(script) if cwd else script.name, *arguments]

    def environment(self) -> dict[str, str]:
        return {"PATH": str(self.bin), "LC_ALL": "C.UTF-8"}


# -- Windows, as Wine has it -------------------------------------------------------------------

JSCRIPT_STAND_IN = """\
var fs = new ActiveXObject("Scripting.FileSystemObject");
var open = new ActiveXObject("WScript.Shell").ExpandEnvironmentStrings("%THAI_ASR_OPEN%");
var given = [], kind = "server", status = {server};
for (var i = 0; i < WScript.Arguments.length; i++) given.push(WScript.Arguments.item(i));
var program = given.shift(), line = given.join(" ");
if (line.indexOf("--check") >= 0) {{ kind = "check"; status = {check}; }}
else if (line.indexOf("--version") >= 0) {{
    kind = "version"; status = 0; WScript.Echo("{version}");
}}
else if (line.indexOf("prepare_venv.py") >= 0) {{
    kind = "prepare"; status = {install};
    if (!fs.FileExists(".venv\\\\Scripts\\\\python.exe")) {{
        kind = "install";
        if (status == 0) {{
            fs.CreateFolder(".venv");
            fs.CreateFolder(".venv\\\\Scripts");
            fs.CopyFile(program, ".venv\\\\Scripts\\\\python.exe");
        }}
    }}
}}
else if (line.indexOf("find_gpu.py") >= 0) {{ kind = "gpu"; status = {gpu}; }}
if (open.indexOf("%") == 0) open = "";
var file = fs.OpenTextFile("{record}", 8, true, -1);
file.WriteLine([program, fs.GetAbsolutePathName("."), open, kind].concat(given).join("\\x1f"));
file.Close();
WScript.Quit(status);
"""

CALLER = '@"%SCRIPT%" %*\r\n'


class Wine:
    """A Windows of its own.

    A `cmd` that waits for input keeps it running: each start takes seconds, and its services would
    hold the output of the program that started them.
    """

    def __init__(self, prefix: Path) -> None:
        self._prefix = prefix
        self._run("wineboot", "--init")
        self._keeper = subprocess.Popen(
            ["wine", "cmd"],
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def environment(self) -> dict[str, str]:
        return {
            "WINEPREFIX": str(self._prefix),
            "WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe=",  # no downloads, no menus
            "WINEDEBUG": "-all",
            "HOME": str(self._prefix.parent),
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
        }

    def stop(self) -> None:
        self._keeper.communicate(b"exit\r\n", timeout=LIMIT_S)
        self._run("wineserver", "--kill")
        self._run("wineserver", "--wait")
        shutil.rmtree(self._prefix)  # hundreds of megabytes

    def _run(self, *command: str) -> None:
        subprocess.run(
            command,
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=4 * LIMIT_S,
            check=False,
        )


@dataclass(frozen=True)
class BatchScript(StartScript):
    """start_realtime_asr.bat under Wine's cmd."""

    wine: Wine

    @classmethod
    def make(cls, parent: Path, name: str, wine: Wine) -> BatchScript:
        script = cls(parent, parent / name, ("py", "python"), "utf-16", wine)
        copy_project(script, "start_realtime_asr.bat")
        (script.bin / "caller.bat").write_text(CALLER, newline="")
        return script

    @property
    def shown_folder(self) -> str:
        return windows(self.folder)

    def add_python(self, name: str, stand_in: StandIn) -> None:
        record = windows(self.record).replace("\\", "\\\\")
        text = JSCRIPT_STAND_IN.format(record=record, **fields(stand_in))
        script = self.bin / f"{name}.js"
        script.write_text(text)
        cscript = r"C:\windows\system32\cscript.exe"
        (self.bin / f"{name}.exe").write_bytes(
            launcher(f"{cscript} //nologo {windows(script)}".encode())
        )

    def command(self, cwd: Path | None, arguments: tuple[str, ...]) -> list[str]:
        # a bare name that begins with "start" is the command START to Wine's cmd
        script = "caller.bat" if cwd else r".\start_realtime_asr.bat"
        return ["wine", "cmd", "/c", script, *arguments]

    def environment(self) -> dict[str, str]:
        return self.wine.environment() | {
            "WINEPATH": windows(self.bin),
            "SCRIPT": windows(self.folder / "start_realtime_asr.bat"),
        }


def launcher(command: bytes) -> bytes:
    """A Windows program that runs `command` with its own path and arguments behind it."""
    spec = importlib.util.find_spec("distlib")
    assert spec is not None
    assert spec.origin is not None
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as empty:
        empty.writestr("__main__.py", "")
    program = Path(spec.origin).with_name("t64.exe").read_bytes()
    return program + b"#!" + command + b"\r\n" + archive.getvalue()


def windows(path: Path) -> str:
    """A path as Wine's drive Z shows it."""
    return "Z:" + str(path).replace("/", "\\")


def fields(stand_in: StandIn) -> dict[str, object]:
    return {name: getattr(stand_in, name) for name in StandIn.__slots__}


def copy_project(script: StartScript, name: str) -> None:
    """All that a script looks for beside itself."""
    shutil.copytree(ROOT / "scripts", script.folder / "scripts")
    shutil.copy(ROOT / name, script.folder)
    script.bin.mkdir()

"""Speak Thai, read Thai: the microphone and file client; `--help` says how."""

from __future__ import annotations

import sys

from client.cli import run


def main() -> int:
    """Run the client; `--help` lists the exit statuses."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())

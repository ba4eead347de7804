"""Start the real-time Thai speech recognition server: `--help` says how."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from typing import NoReturn

from server.package_check import explain

try:
    from threadpoolctl import threadpool_limits

    from asr.catalogue import CatalogueError
    from asr.engine import EngineError
    from asr.reports import ModelError
    from server.access_file import AccessError
    from server.app import App
    from server.arguments import Invocation, read_invocation, unknown_variables
    from server.commands import run_command
    from server.engines import usable_cpu_count
    from server.heap import bound_heaps
    from server.listener import ListenError
    from server.log_ids import LogIds
    from server.logs import LogFormat, set_up_logging
    from server.setting_rows import SettingError
except ImportError as error:  # an environment without the packages, or with damaged ones
    sys.exit(explain(error))


async def serve(invocation: Invocation, ids: LogIds) -> None:
    """Run the server until it is told to stop."""
    app = App(
        invocation.settings,
        model_named=invocation.model_named,
        log_ids=ids,
        token=invocation.token,
    )
    app.watch_signals()
    await app.run()


def main() -> int:
    """Run it; the exit status is 0 after a clean stop, 1 if it cannot run, 2 for usage."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    try:
        invocation = read_invocation(sys.argv[1:], os.environ)
    except SettingError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    settings = invocation.settings
    ids = LogIds()
    log_format = LogFormat(settings.log_format)
    set_up_logging(settings.log_level, settings.log_file, log_format, ids)
    for name in unknown_variables(os.environ):
        logging.warning("no setting is called %s: it has no effect", name)
    bound_heaps(usable_cpu_count())
    # the helper threads of numpy's BLAS spin after each small product: a tenth of all CPU time here
    threadpool_limits(limits=1, user_api="blas")
    try:
        if invocation.command is not None:
            return run_command(invocation.command, settings)
        asyncio.run(serve(invocation, ids))
    except (AccessError, SettingError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    except (CatalogueError, EngineError, ListenError, ModelError) as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


def leave(status: int) -> NoReturn:
    """End the process, even where a decode hangs in a thread that nothing can stop."""
    if any(not t.daemon for t in threading.enumerate() if t is not threading.main_thread()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


if __name__ == "__main__":
    leave(main())

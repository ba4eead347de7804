#!/usr/bin/env bash
# Start the Thai speech recognition server: make .venv, install what it needs once, run it.
# Arguments go to the server: bash start_realtime_asr.sh --help
set -euo pipefail

here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/find_python.sh
. "$here/scripts/find_python.sh"

python=$(find_python "$here")
"$python" "$here/scripts/prepare_venv.py" "$here/.venv" "$here/requirements_realtime.txt"
"$python" "$here/scripts/find_gpu.py" || true

# At a terminal with a display the page opens by itself, unless told otherwise (--no-open).
if [ -t 1 ] && { [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || [[ $OSTYPE == darwin* ]]; }; then
    export THAI_ASR_OPEN="${THAI_ASR_OPEN:-yes}"
fi
exec "$here/.venv/bin/python" "$here/realtime_thai_asr_server.py" "$@"

#!/usr/bin/env bash
# Run every check: linters, types, tests. Arguments go to pytest.
#   bash run_tests.sh                                   everything but the long tests, in two
#                                                       processes beside each other
#   bash run_tests.sh tests/unit -k endpoint            some tests (after the linters)
#   bash run_tests.sh soak                              the long tests
#   bash run_tests.sh --convert                         conversions with torch too, in .venv-convert
# THAI_ASR_FORBID_SKIPS=1 makes a skipped test a failure.
set -euo pipefail

here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cd -- "$here"
# shellcheck source=scripts/find_python.sh
. scripts/find_python.sh

# The packages of the JavaScript tests, when there is npm and they changed.
install_node_packages() {
    local wanted stamp=tests/node/node_modules/installed-package.json
    if ! command -v npm >/dev/null 2>&1; then
        echo "npm is not installed: the tests that need it will be skipped."
        return 0
    fi
    wanted=$(cat tests/node/package.json)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        return 0
    fi
    echo "Installing tests/node/package.json ..."
    npm --prefix tests/node install --no-package-lock --no-audit --no-fund --loglevel=error
    printf '%s\n' "$wanted" >"$stamp"
}

base_python=$(find_python "$here")
"$base_python" scripts/prepare_venv.py .venv-tests requirements_dev.txt requirements_realtime.txt
install_node_packages

runner=pytest
if [ "${1:-}" = soak ]; then
    shift
    set -- -m soak "$@"
elif [ "${1:-}" = --convert ]; then
    shift
    .venv-tests/bin/python scripts/prepare_venv.py .venv-convert requirements_convert.txt
    [ "$#" -gt 0 ] || runner=scripts.run_halves
    set -- -m "not soak" "$@"
elif [ "$#" -eq 0 ]; then
    runner=scripts.run_halves
fi

check() {
    echo "== $*"
    .venv-tests/bin/python -m "$@"
}

check ruff check .
check ruff format --check .
check mypy
check mypy scripts/*.py realtime_thai_asr_*.py
check bandit -q -c pyproject.toml -r asr audio benchmarks client scripts server realtime_thai_asr_*.py
echo "== shellcheck"
.venv-tests/bin/shellcheck --external-sources ./*.sh scripts/*.sh .ci/run
check scripts.check_advisories
check "$runner" -rs "$@"

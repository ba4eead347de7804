# shellcheck shell=bash
# Sourced. find_python ROOT: print the name of a Python that the project can use, or say on
# stderr where to get one and return 1.

find_python() {
    local name version found=""
    for name in python3.13 python3.12 python3.11 python3.14 python3 python; do
        command -v "$name" >/dev/null 2>&1 || continue
        if "$name" "$1/scripts/prepare_venv.py" --check >/dev/null 2>&1; then
            printf '%s\n' "$name"
            return 0
        fi
        version=$("$name" --version 2>&1) || version=""
        case $version in
            *" "*" "*) ;;  # "Python was not found ...": a shim of no Python
            "Python "*) found="$found $name is $version;" ;;
        esac
    done
    cat >&2 <<END
Error: Python 3.11 to 3.14 (64-bit) is needed.${found:+ Found:${found%;}.}
Get it from https://www.python.org/downloads/ or with:
  Debian, Ubuntu   sudo apt install python3 python3-venv
                   (Ubuntu 22.04: python3.11 python3.11-venv)
  Fedora           sudo dnf install python3.13
  macOS            brew install python@3.13
Then run this script again.
END
    return 1
}

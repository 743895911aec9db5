# Shared by the scripts beside it; sourced by bash. Sets $root (the project) and $venv.
# shellcheck shell=bash

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv

say() { printf '\n== %s\n' "$*" >&2; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Install Debian packages that are missing; as another user than root, or on another system, say so.
debian_packages() {
    local missing=() package
    command -v dpkg-query >/dev/null || {
        say "no Debian here: install what corresponds to: $*"
        return 0
    }
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null)" = "ii " ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        say "missing Debian packages; as root: apt-get install ${missing[*]}"
        return 0
    fi
    say "installing ${missing[*]}"
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e $policy ]; then # servers that packages bring must not be started
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod +x $policy
        made=1
    fi
    local status=0
    {
        apt-get update -qq &&
            DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
                "${missing[@]}" >/dev/null
    } || status=$?
    [ -z "$made" ] || rm -f $policy
    return $status
}

# A Python that is new enough, by name or path.
find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    die "Python 3.11 or newer is needed"
}

# Make .venv with the project in it; with "dev" also all extras and the development group. Again
# where pyproject.toml has changed since.
python_environment() {
    local stamp=$venv/.installed${1:+-$1} wanted=(-e .) python
    [ "${1:-}" != dev ] || wanted=(-e '.[all]' --group dev)
    [ "$stamp" -nt "$root/pyproject.toml" ] && return 0
    if [ ! -x "$venv/bin/python" ]; then
        python=$(find_python)
        "$python" -c 'import ensurepip, venv' 2>/dev/null || debian_packages python3-venv
        say "making .venv"
        "$python" -m venv "$venv"
    fi
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --upgrade 'pip>=25.1'
    say "installing mkbuild into .venv"
    (cd "$root" && "$venv/bin/python" -m pip install -q --disable-pip-version-check "${wanted[@]}")
    touch "$stamp"
}

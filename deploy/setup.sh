#!/usr/bin/env bash
# Prepares a checkout: virtual environment, Python packages and, for the tests, Debian packages.
#   deploy/setup.sh run     what `make run` needs: Python packages only
#   deploy/setup.sh test    the real servers that the tests run against, as well
# Says exactly what is missing where it may not install.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-run}

say() { printf '\033[1m[anju]\033[0m %s\n' "$*" >&2; }

# --- Debian packages ------------------------------------------------------------------------------------------------
apt_install() {
    local as=()
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
            as=(sudo)
        else
            return 1
        fi
    fi
    command -v apt-get >/dev/null || return 1
    say "installing Debian packages: $*"
    "${as[@]}" apt-get update -qq || say "apt-get update failed; trying with the lists that are here"
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# --- Python -----------------------------------------------------------------------------------------------------------
python=""
for candidate in python3.13 python3.12 python3.11 python3; do
    if command -v "$candidate" >/dev/null &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    say "Python 3.11 or newer is missing. On Debian 12 or Ubuntu 24.04: apt-get install python3 python3-venv"
    exit 1
fi
# Its programs name their Python by its full path: where the checkout was moved or copied, they would run another's code.
if [ -e .venv/bin/anju ] && ! head -n 3 .venv/bin/anju | grep -qF "$(pwd -P)/.venv/bin/"; then
    say "this checkout has moved: .venv is made anew"
    rm -rf .venv
fi
# pip comes last: without it the making was interrupted.
if [ ! -x .venv/bin/python ] || [ ! -x .venv/bin/pip ]; then
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        apt_install "python$version-venv" || {
            say "the module venv is missing: apt-get install python$version-venv"
            exit 1
        }
    fi
    say "creating .venv with $($python --version)"
    "$python" -m venv .venv || {
        say "$(pwd) cannot hold a .venv: is the directory yours (ls -ld .), and is there 500 MB of free disk (df -h .)?"
        exit 1
    }
fi
extras=broker
[ "$mode" = test ] && extras=broker,postgresql,dev
[ -x .venv/bin/pytest ] && extras=broker,postgresql,dev
# Anew for another Python, too: packages belong to the one they were installed for.
stamp=.venv/anju-$extras-$({ cat pyproject.toml && .venv/bin/python --version; } | sha256sum | cut -c1-16)
if [ ! -e "$stamp" ]; then
    say "installing Python packages ($extras): a minute or two, the first time only"
    # grafana-client brings urllib3-future, whose wheel puts itself in the place of urllib3 at every start of Python; built
    # from its source with this variable it stays beside it.
    URLLIB3_NO_OVERRIDE=1 .venv/bin/python -m pip install -q --disable-pip-version-check \
        --no-binary urllib3-future -e ".[$extras]" || {
        say "the packages could not be installed; pip says why above. Most often the package index is not reached: behind a"
        say "proxy set HTTPS_PROXY, for a mirror PIP_INDEX_URL, and run the same command again; it goes on from here."
        exit 1
    }
    rm -f .venv/anju-*
    touch "$stamp"
fi

# --- what the tests run against ----------------------------------------------------------------------------------------
if [ "$mode" = test ]; then
    missing=()
    declare -A left_out
    need() { # package, program that proves it, what is left out without it
        command -v "$2" >/dev/null || [ -x "/usr/sbin/$2" ] || compgen -G "$2" >/dev/null || {
            missing+=("$1")
            left_out[$1]=$3
        }
    }
    need mosquitto mosquitto "everything over MQTT: transport, end to end, crash tests"
    need mosquitto-clients mosquitto_sub "the health check of the broker's container"
    need influxdb influxd "the InfluxDB store against a real server"
    need victoria-metrics victoria-metrics "the InfluxDB writer against a server that speaks /api/v2/write"
    need postgresql '/usr/lib/postgresql/*/bin/initdb' "the state database on PostgreSQL"
    need chromium chromium "the console in a real browser"
    need espeak-ng espeak-ng "what is said aloud in calls: speech, voice over the modem"
    need baresip-core baresip "voice calls over a SIP trunk"
    need sip-tester sipp "what a SIP trunk answers"
    need systemd systemd-analyze "the units for a box without containers, as systemd reads them"
    need fonts-noto-cjk '/usr/share/fonts/opentype/noto/NotoSansCJK*' "Chinese characters in screenshots"
    if [ ${#missing[@]} -gt 0 ] && ! apt_install "${missing[@]}"; then
        say "these Debian packages are missing and could not be installed (not root, no sudo, or no apt):"
        for package in "${missing[@]}"; do say "  $package: without it is left out: ${left_out[$package]}"; done
        say "install them with: sudo apt-get install ${missing[*]}"
        [ "${CI:-}" = true ] && exit 1
    fi
fi
exit 0

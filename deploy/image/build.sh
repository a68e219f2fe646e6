#!/bin/sh
# Builds what goes into the image: a virtual environment in PREFIX that holds Anju and what it needs, and nothing to
# build with. The Dockerfile runs it, and so does tests/integration/test_stack_image.py, on a machine without an engine.
#
#   deploy/image/build.sh PREFIX [SITE]
#
# SITE: a directory of packages that are installed already; then none is fetched (for the tests).
set -eu
prefix=${1:?usage: deploy/image/build.sh PREFIX [SITE]}
site=${2:-}
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The wheel is built from a copy: setuptools leaves its traces beside what it builds.
mkdir "$work/source"
cp -R pyproject.toml README.md LICENSE gateway devices firmware_sim dashboards "$work/source/"
"$python" -m pip wheel -q --disable-pip-version-check --no-deps --wheel-dir "$work/wheels" "$work/source"
wheel=$(ls "$work"/wheels/anju-*.whl)

"$python" -m venv --without-pip "$prefix"
if [ -n "$site" ]; then
    purelib=$("$prefix/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "$site" >"$purelib/site.pth"
    "$python" -m pip --python "$prefix/bin/python" install -q --disable-pip-version-check --no-deps "$wheel"
else
    "$python" -m pip --python "$prefix/bin/python" install -q --disable-pip-version-check --no-cache-dir \
        --only-binary :all: "$wheel[postgresql]"
fi
# Compiled once, here: the image's files are read-only where it runs.
"$prefix/bin/python" -m compileall -q "$prefix/lib" >/dev/null || true

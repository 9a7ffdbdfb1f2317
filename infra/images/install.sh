#!/bin/sh
# In a build stage: make /opt/venv from a hash-pinned lock.
#
#   install.sh LOCK [DEBIAN_PACKAGE...]     the packages are for building wheels and stay in the build stage
#
# What the building machine needs to reach its package sources comes as secrets, so that no layer holds it:
# ca (certificates), index (shell lines that set an index), apt (a Debian sources list).
set -eu
lock=$1
shift
if [ -f /run/secrets/ca ]; then
    export SSL_CERT_FILE=/run/secrets/ca PIP_CERT=/run/secrets/ca
fi
if [ -f /run/secrets/index ]; then
    # shellcheck source=/dev/null
    . /run/secrets/index
fi
if [ "$#" -gt 0 ]; then
    [ ! -f /run/secrets/apt ] || cp /run/secrets/apt /etc/apt/sources.list
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends "$@" >/dev/null
fi
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target /build/uv "uv==$UV_VERSION"
uv=/build/uv/bin/uv
"$uv" venv --quiet --python "$(command -v python3)" /opt/venv
"$uv" pip install --quiet --python /opt/venv/bin/python --no-cache --no-deps --require-hashes --compile-bytecode -r "$lock"

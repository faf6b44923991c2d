#!/usr/bin/env bash
# mypy, where numpy's types are those that the code is written against (setup.cfg, dev).
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${VENV:-$PWD/.venv}/bin
if "$bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  exec "$bin/mypy"
fi
echo "types: not checked on $("$bin/python" --version), whose newest numpy has other ones: use Python 3.11 or newer"

#!/usr/bin/env bash
# Makes an environment with headway and the MetaDrive simulator: metadrive_env.sh [FOLDER], default .venv-metadrive.
# It is one of its own, since the simulator wants numpy 1.24 and Python below 3.12, and headway's others do not.
set -euo pipefail
folder=$(realpath -m "${1:-$(dirname "$0")/../.venv-metadrive}")
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 12))' || {
  echo "error: MetaDrive needs Python 3.10 or 3.11, $("$python" --version) was found: set PYTHON=python3.11" >&2
  exit 1
}
[ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
pip() { PYTHONWARNINGS=ignore "$folder/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }
echo "installing headway[metadrive] into $folder ..."
pip install --upgrade pip wheel setuptools
pip install -e ".[metadrive]"
if ! command -v xvfb-run >/dev/null 2>&1; then
  echo "the simulator draws on a screen; without one: apt-get update && apt-get install -y xvfb   (as root)"
fi
echo "drive with: xvfb-run -a $folder/bin/headway evaluate driving --world metadrive"

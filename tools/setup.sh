#!/usr/bin/env bash
# Makes the virtual environment: setup.sh EXTRAS, for example `setup.sh ros` or `setup.sh ros,train,dev`.
# On a machine with /opt/ros the wheels are left out and that installation's rclpy is used.
set -euo pipefail
cd "$(dirname "$0")/.."
extras=$1
VENV=${VENV:-$PWD/.venv}
export VENV
site_packages=()
if ls /opt/ros/*/setup.bash >/dev/null 2>&1; then
  extras=$(echo ",$extras," | sed 's/,ros,/,/; s/^,//; s/,$//')
  site_packages=(--system-site-packages)
fi
# Asked for pip, which comes last: an environment that was interrupted is made again.
"$VENV/bin/python" -m pip --version >/dev/null 2>&1 || "${PYTHON:-python3}" -m venv "${site_packages[@]}" "$VENV"
# Warnings of setuptools about links and editable installs are nothing that a user could act on.
pip() { PYTHONWARNINGS=ignore "$VENV/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }
echo "installing headway${extras:+[$extras]} into ${VENV#"$PWD"/} ..."
pip install --upgrade pip wheel setuptools
case ",$extras," in
  # Asked for by exact version: a range would take the newest build with its gigabytes of CUDA packages.
  *,train,*) pip install "${TORCH:-torch==2.13.0}" ;;
esac
pip install -e ".${extras:+[$extras]}"
if [ "$("$VENV/bin/python" -m pip list 2>/dev/null | grep -cE '^(onnxruntime|onnxruntime-gpu) ')" -gt 1 ]; then
  echo "warning: onnxruntime and onnxruntime-gpu are both installed and break each other: see 'headway doctor'" >&2
fi
for tool in cmake ninja; do
  PATH=$VENV/bin:$PATH command -v $tool >/dev/null || pip install $tool
done
tools/build_messages.sh

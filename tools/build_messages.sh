#!/usr/bin/env bash
# Builds headway_msgs with cmake and installs it into the virtual environment.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${VENV:-$PWD/.venv}
export VENV
set +e
. tools/ros_setup.sh
set -e
build=$VENV/build/headway_msgs
log=$VENV/build/headway_msgs.log
mkdir -p "$build"
site=$("$VENV/bin/python" -c 'import os, sys, sysconfig; print(os.path.relpath(sysconfig.get_path("purelib"), sys.prefix))')
echo "building headway_msgs ..."
if ! {
  cmake -S headway_msgs -B "$build" -G Ninja -DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_PREFIX_PATH="${AMENT_PREFIX_PATH//:/;}" -DCMAKE_INSTALL_PREFIX="$VENV" \
    -DPython3_EXECUTABLE="$VENV/bin/python" -DPYTHON_INSTALL_DIR="$site" \
    -DCMAKE_PROJECT_INCLUDE="$PWD/headway_msgs/cmake/drop_missing_includes.cmake" &&
    cmake --build "$build" && cmake --install "$build"
} >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "error: headway_msgs could not be built; the whole log is ${log#"$PWD"/}" >&2
  exit 1
fi

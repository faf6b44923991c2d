#!/usr/bin/env bash
# Names the system packages that are missing, with the one line that brings them, or that the disk is too full.
# Usage: check_system.sh [render], with VENV naming the environment that is to be made.
set -u
missing=()
need() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
need "${PYTHON:-python3}" python3
need gcc gcc
need g++ g++
if command -v "${PYTHON:-python3}" >/dev/null 2>&1; then
  "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "error: Python 3.10 or newer is needed, $("${PYTHON:-python3}" --version) was found: set PYTHON=python3.x" >&2
    exit 1
  }
  "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  "${PYTHON:-python3}" -c 'import sysconfig, os, sys; sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' ||
    missing+=(python3-dev)
fi
if [ "${1:-}" = render ]; then
  # The tests draw people off-screen through EGL with Mesa's software rasteriser.
  # Loaded, not looked up: ldconfig is not on the path of ordinary users of Debian.
  "${PYTHON:-python3}" -c 'import ctypes; ctypes.CDLL("libEGL.so.1")' 2>/dev/null || missing+=(libegl1)
  # One of these is enough: Mesa's rasteriser (its name depends on the release) or NVIDIA's own EGL.
  { compgen -G '/usr/lib/*/dri/*swrast*.so' || compgen -G '/usr/lib/*/libgallium*.so' ||
    compgen -G '/usr/lib/*/libEGL_nvidia.so*'; } >/dev/null || missing+=(libgl1-mesa-dri)
fi
if [ ${#missing[@]} -gt 0 ]; then
  echo "error: missing system packages: ${missing[*]}" >&2
  echo "install them with: apt-get update && apt-get install -y ${missing[*]}   (as root, or with sudo)" >&2
  exit 1
fi
# What the finished environment takes, in MiB; while pip unpacks, it is a third more.
size=740
[ "${1:-}" = render ] && size=2970
VENV=${VENV:-.venv}
has=$(du -sm "$VENV" 2>/dev/null | cut -f1)
free=$(df -Pm "$(dirname "$VENV")" | awk 'NR == 2 { print $4 }')
if [ $((${has:-0} + free)) -lt $size ]; then
  echo "error: $VENV needs $size MiB of disk, ${free} are free: make room there" >&2
  exit 1
fi

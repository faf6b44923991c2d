#!/usr/bin/env bash
# On a machine with an NVIDIA GPU: half-precision graphs of all installed networks, the tests that need a GPU, the bench.
#   tools/gpu_check.sh [FOLDER]     FOLDER (default out/gpu) gets tests.txt, gpu.json and gpu.txt; PYTHON picks python3,
#                                   ROUNDS the turns of each engine, ENGINES the engines, MODELS a folder with models
#                                   that have half-precision graphs already (none is made then).
#                                   Goes on where a part fails; the exit code says so.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-out/gpu} python=${PYTHON:-python3} failed=0
# Each part may take so long and no longer: a lease ends. TensorRT takes a minute to build an engine (on an H100); the
# tests build those of all networks, and the bench finds them in the cache.
limit() { timeout --kill-after=5 "$@"; }
mkdir -p "$out"
export PYTHONUNBUFFERED=1
# CUDA and cuDNN as pip installs them beside torch: ONNX Runtime looks for them on the system alone.
libraries=$($python -c 'import glob, sysconfig; print(":".join(glob.glob(sysconfig.get_path("purelib") + "/nvidia/*/lib")))')
export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
$python - <<'END' || failed=1
import onnxruntime, torch
print("torch", torch.__version__, "on", torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU")
print("onnxruntime", onnxruntime.__version__, *onnxruntime.get_available_providers())
for name in ("tensorrt", "tensorrt_rtx"):
    try:
        print(name, __import__(name).__version__)
    except (ImportError, OSError) as error:
        print(f"{name}: {error}")
END

models=${MODELS:-}
if [ -z "$models" ]; then
    echo "== half-precision graphs ($SECONDS s)"
    models=$(mktemp -d)
    # TensorRT 8 (JetPack 6.0) reads no newer operator set.
    older=$($python -c 'import tensorrt as t; print("--opset 17" * t.__version__.startswith("8."))' 2>/dev/null)
    trap 'rm -rf "$models"' EXIT
    for manifest in "${HEADWAY_MODELS:-models/weights}"/*/manifest.json; do
        name=$(basename "$(dirname "$manifest")")
        # shellcheck disable=SC2086  # two words or none
        OMP_NUM_THREADS=1 limit 60 "$python" -m headway.cli.main export "$name" --to onnx --precision fp16 $older \
            --allow-loss --out "$models/$name" >"$models/$name.txt" 2>&1 ||
            { cat "$models/$name.txt"; touch "$models/failed"; } &
    done
    wait
    [ -e "$models/failed" ] && failed=1
fi
export HEADWAY_MODELS=$models

echo "== tests that need a GPU ($SECONDS s)"
limit "${TEST_LIMIT:-1200}" "$python" -m pytest -m gpu -p no:cacheprovider -rf --durations 5 \
    tests/runtime/test_tensorrt.py tests/runtime/test_onnx_cuda.py tests/runtime/test_engine.py \
    tests/runtime/test_bad_models.py 2>&1 | tee "$out/tests.txt" || failed=1
grep -qE '(^|[ ,])[0-9]+ passed' "$out/tests.txt" || { echo "no test ran on a GPU"; failed=1; }

echo "== bench ($SECONDS s)"
engines=${ENGINES:-onnxruntime-cuda,onnxruntime-cuda-fp16,tensorrt,tensorrt-fp16}
COLUMNS=150 limit "${BENCH_LIMIT:-300}" "$python" -m headway.cli.main bench all \
    --engines "$engines" --rounds "${ROUNDS:-200}" --json "$out/gpu.json" 2>&1 | tee "$out/gpu.txt" || failed=1
echo "== done ($SECONDS s), $([ $failed = 0 ] && echo "nothing failed" || echo "something FAILED, see above")"
exit $failed

"""What must never be run: each ends in one clear line, and falls back, aloud, only where "auto" allows it."""

import contextlib
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.errors import EngineError, HeadwayError, MissingDependencyError, ModelError
from headway.paths import weights_dir
from headway.runtime import providers
from headway.runtime.cache import pack
from headway.runtime.manifest import file_entries, read_manifest, write_manifest
from headway.runtime.model import open_model
from headway.runtime.onnx_file import external_tensors
from headway.runtime.tensorrt import TensorRTEngine, engine_key
from headway.runtime.tensorrt_build import find_library
from headway.runtime.tensorrt_cuda import Cuda, find_cuda

ENGINES = ("onnxruntime", "openvino")


def refused(engine, folder, error=HeadwayError):
    """The one line with which `engine` refuses the model in `folder`."""
    if engine == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO is not installed (headway[openvino])")
    with pytest.raises(error) as caught:
        open_model(str(folder), "driving", engine)
    line = str(caught.value)
    assert line.strip()
    return line


@pytest.fixture
def forged(tmp_path):
    """Returns a function: changes the ONNX model of `driving` and writes it with a manifest whose hashes are right."""
    onnx = pytest.importorskip("onnx")

    def forge(change):
        folder = tmp_path / "driving"
        shutil.copytree(weights_dir() / "driving", folder)
        manifest = read_manifest(folder)
        model = onnx.load(str(folder / "driving.onnx"))
        change(model)
        (folder / "driving.onnx").write_bytes(model.SerializeToString())
        names = {k: f.path for k, f in manifest.files.items()}
        write_manifest(folder, replace(manifest, files=file_entries(folder, names)))
        return folder

    return forge


@pytest.mark.parametrize("engine", ENGINES)
def test_an_unknown_operator_is_named_in_one_line(forged, engine):
    def change(model):
        model.graph.node[-1].op_type = "Orthogonalise"

    line = refused(engine, forged(change), EngineError)
    assert "Orthogonalise" in line
    assert len(line.splitlines()) == 1


def outside(location):
    def change(model):
        tensor = next(t for t in model.graph.initializer if t.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = 1
        tensor.external_data.add(key="location", value=location)

    return change


@pytest.mark.parametrize("engine", [*ENGINES, "tensorrt"])
@pytest.mark.parametrize("location", ["../../../etc/passwd", "/etc/passwd", "driving.safetensors"])
def test_weights_outside_the_file_are_refused_by_every_engine_wherever_they_lie(forged, engine, location):
    line = refused(engine, forged(outside(location)), ModelError)
    assert "in other files" in line
    assert len(line.splitlines()) == 1


def test_weights_outside_are_found_in_constants_and_inner_graphs_too():
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    hidden = numpy_helper.from_array(np.ones(3, np.float32), "hidden")
    outside("w.bin")(SimpleNamespace(graph=SimpleNamespace(initializer=[hidden])))
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])
    constant = helper.make_node("Constant", [], ["y"], value=hidden)
    inner = helper.make_graph([constant], "inner", [], [value])
    branch = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    for nodes in ([constant], [branch]):
        model = helper.make_model(onnx.helper.make_graph(nodes, "g", [], [value]))
        assert external_tensors(model.SerializeToString())[0] == "hidden"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_walked_or_refused_never_a_crash(data):
    with contextlib.suppress(ValueError):
        assert all(isinstance(name, str) for name in external_tensors(data))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_cut_short_is_refused_although_its_hash_is_right(tmp_path, engine):
    folder = tmp_path / "driving"
    shutil.copytree(weights_dir() / "driving", folder)
    manifest, path = read_manifest(folder), folder / "driving.onnx"
    path.write_bytes(path.read_bytes()[:-1000])
    names = {k: f.path for k, f in manifest.files.items()}
    write_manifest(folder, replace(manifest, files=file_entries(folder, names)))
    assert "driving.onnx" in refused(engine, folder, EngineError)


@pytest.mark.parametrize("engine", [*ENGINES, "tensorrt", "auto"])
def test_a_wrong_hash_is_refused_by_every_engine_and_auto_does_not_fall_back_over_it(tmp_path, engine):
    folder = tmp_path / "driving"
    shutil.copytree(weights_dir() / "driving", folder)
    data = bytearray((folder / "driving.onnx").read_bytes())
    data[5000] ^= 1
    (folder / "driving.onnx").write_bytes(data)
    line = refused(engine, folder, ModelError)
    assert "is not the file" in line
    assert len(line.splitlines()) == 1


SHIPPED = {
    "truncated": (lambda data: data[:-50], "cut short"),
    "bit-flipped": (lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], "checksum"),
    "built elsewhere": (lambda data: data.replace(b"tensorrt_rtx", b"tensorrt_xyz", 1), "built for library"),
    "no engine": (lambda data: b"rubbish", "no engine file"),
}


@pytest.mark.parametrize("damage", SHIPPED)
def test_a_shipped_engine_that_does_not_fit_is_left_aside_with_one_line(tmp_path, damage):
    try:
        library = find_library(("tensorrt_rtx",))
    except MissingDependencyError as error:
        pytest.skip(str(error))
    spoil, reason = SHIPPED[damage]
    key = engine_key(b"onnx", "fp32", library)
    path = tmp_path / "driving.fp32.engine"
    path.write_bytes(spoil(pack(key, bytes(1000))))
    said = []
    engine = object.__new__(TensorRTEngine)  # its constructor wants a GPU; what is tested comes before that
    engine._say = said.append
    assert engine._from_shipped(path, key, library) is None
    assert len(said) == 1
    assert reason in said[0]
    assert "left aside" in said[0]


def test_a_gpu_out_of_memory_is_said_in_one_line_with_what_to_do():
    try:
        api = find_cuda()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    cuda = object.__new__(Cuda)  # the real error codes, from a call that fails as one on a full GPU does
    cuda.api = SimpleNamespace(
        cudaError_t=api.cudaError_t, cudaMalloc=lambda size: (api.cudaError_t.cudaErrorMemoryAllocation, None)
    )
    with pytest.raises(EngineError, match=r"^GPU out of memory in cudaMalloc: close other programs or take a smaller"):
        cuda.buffer("image", (1, 384, 512, 3), np.dtype(np.uint8))


@pytest.mark.gpu
def test_on_a_gpu_more_memory_than_there_is_ends_in_that_line():
    try:
        cuda = Cuda()
    except HeadwayError as error:
        pytest.skip(f"no run on a GPU: {error}")
    with pytest.raises(EngineError, match="GPU out of memory in cudaMalloc"):
        cuda.buffer("image", (1 << 46,), np.dtype(np.uint8))


def saying(folder, change):
    """The model folder, copied, with `change` made to what its manifest says."""
    shutil.copytree(weights_dir() / "driving", folder)
    write_manifest(folder, change(read_manifest(folder)))
    return folder


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("said", [{"shape": (1, 3)}, {"dtype": "uint8"}], ids=str)
def test_a_manifest_that_says_another_output_than_the_graph_has_is_refused_when_it_is_opened(tmp_path, engine, said):
    def change(manifest):
        return replace(
            manifest, outputs={**manifest.outputs, "controls": replace(manifest.outputs["controls"], **said)}
        )

    line = refused(engine, saying(tmp_path / "driving", change), EngineError)
    assert line.startswith("output 'controls' is float32[1, 2], the manifest says ")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_manifest_that_says_another_input_than_the_graph_has_is_refused_in_one_line(tmp_path, engine):
    def change(manifest):
        return replace(manifest, inputs={"image": replace(manifest.inputs["image"], shape=(1, 60, 80, 3))})

    line = refused(engine, saying(tmp_path / "driving", change), EngineError)
    assert len(line.splitlines()) == 1


def test_an_engine_that_fails_at_once_is_told_by_its_own_error_and_not_by_what_closing_then_says(monkeypatch):
    """After an illegal address CUDA answers every call with it."""

    class Broken:
        name = "tensorrt"

        def infer(self, feeds):
            raise EngineError("TensorRT could not start the network")

        def close(self):
            raise EngineError("cudaFree failed: cudaErrorIllegalAddress")

    monkeypatch.setitem(providers.OPENERS, "tensorrt", lambda folder, manifest, threads: Broken())
    with pytest.raises(EngineError, match="could not start the network"):
        open_model("driving", "driving", "tensorrt")


FAILURES = {
    "out of memory": EngineError("GPU out of memory in cudaMalloc: close other programs or take a smaller model"),
    "TensorRT absent": MissingDependencyError("TensorRT is not to be had: install `headway[gpu]`"),
    "unknown operator": EngineError("tensorrt 10.3 refuses the network: node 7 (Svd)"),
    "no driver": EngineError("no usable NVIDIA GPU: cudaErrorInsufficientDriver"),
}


@pytest.mark.parametrize("cause", FAILURES)
def test_auto_falls_back_to_onnx_runtime_and_says_why(monkeypatch, caplog, cause):
    def fail(folder, manifest, threads):
        raise FAILURES[cause]

    for name in ("tensorrt", "tensorrt-fp16", "onnxruntime-cuda"):
        monkeypatch.setitem(providers.OPENERS, name, fail)
    assert open_model("driving", "driving", "auto").engine.name == "onnxruntime"
    (line,) = [r.getMessage() for r in caplog.records if "runs on onnxruntime" in r.getMessage()]
    assert str(FAILURES[cause]) in line


def test_auto_falls_back_over_what_no_version_of_a_library_was_known_to_raise(monkeypatch, caplog):
    def fail(folder, manifest, threads):
        raise AttributeError("module 'tensorrt' has no attribute 'OnnxParser'")

    monkeypatch.setitem(providers.OPENERS, "tensorrt", fail)
    assert open_model("driving", "driving", "auto").engine.name in ("onnxruntime", "onnxruntime-cuda")
    assert "tensorrt cannot be opened: AttributeError: module 'tensorrt' has no" in caplog.text


@pytest.mark.parametrize("cause", FAILURES)
def test_an_engine_named_outright_fails_with_that_line_and_nothing_runs_instead(monkeypatch, cause):
    def fail(folder, manifest, threads):
        raise FAILURES[cause]

    monkeypatch.setitem(providers.OPENERS, "tensorrt", fail)
    with pytest.raises(type(FAILURES[cause])) as caught:
        open_model("driving", "driving", "tensorrt")
    assert str(caught.value) == str(FAILURES[cause])

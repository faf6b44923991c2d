"""TensorRT: engines are really parsed and built here (TensorRT-RTX needs no GPU for that); running them needs one."""

import time
from types import SimpleNamespace

import pytest
from engine_text import product_types, tensor_types, uses_tf32

from headway.bench.frames import real_feeds
from headway.bench.parity import compare, outside
from headway.errors import EngineError, HeadwayError, MissingDependencyError
from headway.runtime import cache as cache_module
from headway.runtime.cache import EngineCache, unpack
from headway.runtime.manifest import read_manifest, verified_path
from headway.runtime.model import installed_models, model_folder, open_model
from headway.runtime.tensorrt import TensorRTEngine, engine_key
from headway.runtime.tensorrt_build import Library, build_engine, find_library
from headway.runtime.tensorrt_cuda import FUNCTIONS, Cuda, find_cuda


@pytest.fixture(scope="module")
def library():
    try:
        return find_library(("tensorrt_rtx",))
    except MissingDependencyError as error:
        pytest.skip(str(error))


def graph(name, key="onnx"):
    folder = model_folder(name)
    return verified_path(folder, read_manifest(folder), key)


GRAPHS = [(n, k) for n in installed_models() for k in read_manifest(model_folder(n)).files if k.startswith("onnx")]


@pytest.mark.parametrize(("name", "key"), GRAPHS)
def test_every_installed_network_builds_in_full_precision(library, name, key):
    built = build_engine(library, graph(name, key).read_bytes())
    assert len(built.engine) > 100_000
    assert set(built.counts) == {"FLOAT"}
    assert product_types(built.engine)
    assert set(tensor_types(built.engine).values()) <= {"float", "uint8", "int8", "int32", "int64"}, "no halves"
    assert set(uses_tf32(built.engine)) == {"0"}


@pytest.mark.train
@pytest.mark.parametrize("name", installed_models())
def test_every_installed_network_builds_in_half_with_its_islands_read_back_in_full(library, name):
    onnx = pytest.importorskip("onnx")
    from headway.export.half import to_half

    half, report = to_half(onnx.load(str(graph(name))))
    built = build_engine(library, half.SerializeToString())
    assert built.counts["HALF"] >= len(report.half) / 2
    for layer, precision in built.precisions.items():
        kind = layer.lower()
        if any(word in kind for word in ("softmax", "sqrt", "_div", "_exp", "_pow")):
            assert precision == "FLOAT", layer
    for island in report.islands:
        found = [p for layer, p in built.precisions.items() if layer.startswith(island)]
        assert set(found) <= {"FLOAT"}, island
    in_engine = product_types(built.engine)
    assert {n.name for n in half.graph.node if n.op_type == "Conv"} <= set(in_engine)
    wanted = {layer: {"half" if layer in report.half else "float"} for layer in in_engine}
    assert in_engine
    assert in_engine == wanted, "the built engine itself says what the graph does"


def test_a_file_that_is_no_network_ends_in_one_line(library):
    with pytest.raises(EngineError, match=r"tensorrt_rtx .* refuses the network") as caught:
        build_engine(library, b"not a network")
    assert len(str(caught.value).splitlines()) == 1


def test_an_operator_that_tensorrt_does_not_know_is_named(library):
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [3, 3]) for n in "xy")
    node = helper.make_node("Svd", ["x"], ["y"], name="orthogonalise", domain="com.example")
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.example", 1)]
    model = helper.make_model(onnx.helper.make_graph([node], "g", [x], [y]), opset_imports=opsets, ir_version=10)
    with pytest.raises(EngineError, match=r"Svd|orthogonalise"):
        build_engine(library, model.SerializeToString())


def test_a_real_engine_goes_through_the_cache_and_comes_back_whole(library, tmp_path):
    onnx = graph("driving").read_bytes()
    key = engine_key(onnx, "fp32", library)
    phases = []

    def build(phase):
        return build_engine(library, onnx, lambda text: (phases.append(text), phase(text))).engine

    cache = EngineCache(tmp_path)
    first = cache.get(key, "driving", build, bytes)
    assert "building engine" in phases
    said = len(phases)
    assert cache.get(key, "driving", build, bytes) == first
    assert len(phases) == said, "the second time nothing is built"
    assert unpack((tmp_path / f"{key.digest}.engine").read_bytes(), key) == first


def test_a_missing_library_names_the_extra_that_brings_it():
    with pytest.raises(MissingDependencyError, match=r"headway\[gpu\].*headway\[rtx\].*headway\[jetson\]"):
        find_library(("no_such_tensorrt",))


def test_the_installed_cuda_python_has_every_function_that_is_called():
    try:
        api = find_cuda()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    assert [name for name in FUNCTIONS if not hasattr(api, name)] == []


def test_without_a_gpu_the_reason_is_one_line_and_not_a_crash():
    reason = ""
    try:
        Cuda()
    except HeadwayError as error:
        reason = str(error)
    if not reason:
        pytest.skip("this machine has a GPU")
    assert "GPU" in reason or "cuda-python" in reason
    assert len(reason.splitlines()) == 1


def test_a_gpu_without_memory_is_no_missing_gpu(skip_if_absent):
    with pytest.raises(EngineError, match="out of memory"):
        skip_if_absent(EngineError("GPU out of memory in cudaMalloc: close other programs or take a smaller model"))
    for error in (MissingDependencyError("cuda-python is not installed"), EngineError("no NVIDIA GPU in this machine")):
        with pytest.raises(pytest.skip.Exception):
            skip_if_absent(error)


def test_an_engine_that_is_finished_for_the_gpu_while_it_is_loaded_says_so_in_regular_lines(monkeypatch):
    monkeypatch.setattr(cache_module, "TICK_S", 0.02)
    said = []

    def deserialize(engine):
        while len(said) < 3:
            time.sleep(0.01)
        return engine

    engine = object.__new__(TensorRTEngine)  # its constructor wants a GPU
    engine._file, engine._say = "driving.onnx", said.append
    engine._runtime = SimpleNamespace(deserialize_cuda_engine=deserialize)
    assert engine._load(b"engine") == b"engine"
    assert all(line.startswith("driving.onnx: finishing the engine for this GPU, ") for line in said)


class Runtime:
    """As much of cuda-python as opening a device takes; `fails`: function -> name of the error that it ends in."""

    cudaError_t = SimpleNamespace(cudaSuccess="ok", cudaErrorMemoryAllocation="memory")

    def __init__(self, processors=16, fails=()):
        self.processors, self.fails = processors, dict(fails)

    def __getattr__(self, function):
        properties = SimpleNamespace(name=b"Orin", major=8, minor=7, multiProcessorCount=self.processors)
        answers = {"cudaGetDeviceCount": 1, "cudaGetDeviceProperties": properties, "cudaDriverGetVersion": 12060}
        code = SimpleNamespace(name=self.fails[function]) if function in self.fails else "ok"
        return lambda *args: (code, answers[function])


def test_two_gpus_of_one_name_and_another_size_have_engines_of_their_own(monkeypatch):
    made = []
    for processors in (8, 16):
        monkeypatch.setattr("headway.runtime.tensorrt_cuda.find_cuda", lambda n=processors: Runtime(n))
        made.append(Cuda().gpu)
    assert made == ["Orin sm87 x8", "Orin sm87 x16"]


def test_a_driver_that_is_too_old_is_told_with_what_to_install(monkeypatch):
    old = Runtime(fails={"cudaGetDeviceCount": "cudaErrorInsufficientDriver"})
    monkeypatch.setattr("headway.runtime.tensorrt_cuda.find_cuda", lambda: old)
    with pytest.raises(EngineError, match=r"cudaErrorInsufficientDriver .*'cuda-python<13'.*headway\[jetson\]"):
        Cuda()


def test_an_address_that_tensorrt_refuses_is_an_error_and_not_a_silent_wrong_answer():
    engine = TensorRTEngine.__new__(TensorRTEngine)
    tensors = SimpleNamespace(
        num_io_tensors=1,
        get_tensor_name=lambda i: "image",
        get_tensor_dtype=lambda name: "FLOAT",
        get_tensor_shape=lambda name: (1, 3),
        get_tensor_mode=lambda name: "IN",
    )
    engine._engine, engine._inputs, engine._outputs = tensors, [], []
    engine._context = SimpleNamespace(set_tensor_address=lambda name, address: False)
    engine._cuda = SimpleNamespace(buffer=lambda name, shape, dtype: SimpleNamespace(device_address=0))
    trt = SimpleNamespace(nptype=lambda kind: "float32", TensorIOMode=SimpleNamespace(INPUT="IN"))
    with pytest.raises(EngineError, match="'image'"):
        engine._allocate(Library(trt, "tensorrt"))


@pytest.fixture(scope="module")
def gpu(skip_if_absent):
    """Skips where there is none, or one that this TensorRT was not made for. Engines come from the user's own cache:
    one takes a minute to build."""
    try:
        TensorRTEngine(graph("driving")).close()
    except HeadwayError as error:
        skip_if_absent(error)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("name", installed_models())
def test_on_a_gpu_the_answers_to_real_frames_are_those_of_onnx_runtime_with_and_without_graph(
    gpu, tmp_path, name, precision
):
    manifest = read_manifest(model_folder(name))
    reference = open_model(name, manifest.task)
    feeds = real_feeds(reference, 4)[0]
    path = graph(name) if precision == "fp32" else half(graph(name), tmp_path)
    for with_graph in (True, False):
        engine = TensorRTEngine(path, precision, graph=with_graph)
        found = compare(reference.infer, engine.infer, feeds, manifest, precision)
        assert outside({name: {engine.name: found}}) == []
        engine.close()


def half(path, folder):
    onnx = pytest.importorskip("onnx")
    from headway.export.half import to_half

    onnx.save(to_half(onnx.load(str(path)))[0], str(folder / path.name))
    return folder / path.name


@pytest.mark.gpu
def test_on_a_gpu_a_flipped_bit_in_the_cached_engine_leads_to_a_new_one(gpu, tmp_path):
    said = []
    TensorRTEngine(graph("driving"), cache=EngineCache(tmp_path, said.append)).close()
    path = next(tmp_path.glob("*.engine"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    TensorRTEngine(graph("driving"), cache=EngineCache(tmp_path, said.append)).close()
    assert sum("is built again: its checksum is wrong" in line for line in said) == 1

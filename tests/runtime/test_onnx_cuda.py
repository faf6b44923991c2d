"""ONNX Runtime on a GPU: its buffers, here with host memory for the device's; its answers, where there is a GPU."""

import ctypes
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from headway.bench.frames import real_feeds
from headway.bench.parity import compare, outside
from headway.errors import EngineError, HeadwayError, MissingDependencyError
from headway.runtime import onnx_cuda
from headway.runtime.manifest import read_manifest, verified_path
from headway.runtime.model import installed_models, model_folder, open_model
from headway.runtime.onnx import PROVIDERS, open_session
from headway.runtime.onnx_cuda import OnnxCudaEngine, bind_all
from headway.runtime.providers import open_engine
from headway.runtime.tensorrt_cuda import Buffer


class HostMemory:
    """Stands in for Cuda: a "device" whose memory is the host's, so that ONNX Runtime's CPU can work in it."""

    freed = 0

    def buffer(self, name, shape, dtype):
        copies = [np.zeros(shape, dtype) for _ in range(2)]
        self.kept = [*getattr(self, "kept", []), *copies]
        return Buffer(name, copies[0], copies[0].ctypes.data, copies[1].ctypes.data)

    def upload(self, buffer, stream):
        ctypes.memmove(buffer.device_address, buffer.host_address, buffer.nbytes)

    def download(self, buffer, stream):
        ctypes.memmove(buffer.host_address, buffer.device_address, buffer.nbytes)

    def call(self, function, *args):
        return 1 if function == "cudaStreamCreate" else None

    def free(self, buffer):
        type(self).freed += 1


@pytest.fixture
def on_host(monkeypatch):
    """OnnxCudaEngine with host memory for its GPU; returns the options that sessions were opened with."""
    asked = []

    def opened(path, threads, provider, options):
        asked.append(options)
        if "enable_cuda_graph" in options and refuse.graph:
            raise EngineError("this session cannot use the graph capture feature")
        return open_session(path, threads, "cpu")

    refuse = SimpleNamespace(graph=False)
    monkeypatch.setattr(onnx_cuda, "Cuda", HostMemory)
    monkeypatch.setattr(onnx_cuda, "open_session", opened)
    monkeypatch.setattr(onnx_cuda, "bind_all", lambda binding, i, o, device: bind_all(binding, i, o, "cpu"))
    return SimpleNamespace(asked=asked, refuse=refuse)


def graph(name):
    folder = model_folder(name)
    return verified_path(folder, read_manifest(folder), "onnx")


@pytest.mark.parametrize("name", installed_models())
def test_through_fixed_buffers_the_answers_are_exactly_those_of_the_plain_engine(on_host, name):
    model = open_model(name, read_manifest(model_folder(name)).task)
    feeds = real_feeds(model, 3)[0]
    engine = OnnxCudaEngine(graph(name))
    for feed in feeds:
        expected = {k: v.copy() for k, v in model.engine.infer(feed).items()}
        for key, value in engine.infer(feed).items():
            assert np.abs(value - expected[key]).max() < 1e-4, key
    assert on_host.asked[0]["enable_cuda_graph"] == "1"


def test_a_network_that_cannot_be_recorded_runs_without_graph_and_says_so(on_host):
    on_host.refuse.graph, said = True, []
    engine = OnnxCudaEngine(graph("driving"), say=said.append)
    assert said == ["onnxruntime-cuda: without CUDA graph (this session cannot use the graph capture feature)"]
    assert set(engine.infer({"image": np.zeros((1, 120, 160, 3), np.uint8)})) >= {"controls"}


def test_without_graph_none_is_asked_for_and_everything_is_given_back(on_host):
    engine = OnnxCudaEngine(graph("driving"), "fp16", graph=False)
    assert engine.name == "onnxruntime-cuda-fp16"
    assert "enable_cuda_graph" not in on_host.asked[0]
    before = HostMemory.freed
    engine.close()
    assert HostMemory.freed - before == 1 + len(read_manifest(model_folder("driving")).outputs)


def test_only_where_a_graph_is_recorded_does_onnx_runtime_not_wait_itself(on_host):
    key = "disable_synchronize_execution_providers"
    assert OnnxCudaEngine(graph("driving"))._options.get_run_config_entry(key) == "1"
    with pytest.raises(RuntimeError, match=key):
        OnnxCudaEngine(graph("driving"), graph=False)._options.get_run_config_entry(key)
    on_host.refuse.graph = True
    with pytest.raises(RuntimeError, match=key):
        OnnxCudaEngine(graph("driving"), say=[].append)._options.get_run_config_entry(key)


def test_the_first_error_is_told_and_not_what_giving_back_then_says(on_host, monkeypatch):
    """After an illegal address CUDA answers every call with it."""

    def fails(self, *args):
        raise EngineError("cudaFree failed: cudaErrorIllegalAddress")

    def broken(self, buffer, stream):
        raise EngineError("cudaMemcpyAsync failed: the cause")

    monkeypatch.setattr(HostMemory, "upload", broken)
    monkeypatch.setattr(HostMemory, "free", fails)
    with pytest.raises(EngineError, match="the cause"):
        OnnxCudaEngine(graph("driving"))


@pytest.mark.parametrize("name", ["onnxruntime-cuda", "onnxruntime-cuda-fp16"])
def test_without_cuda_python_the_plain_engine_runs_the_same_graph_under_its_own_name_and_that_is_said(
    monkeypatch, caplog, name
):
    def absent(*args, **options):
        raise MissingDependencyError("cuda-python is not installed")

    monkeypatch.setattr(onnx_cuda, "Cuda", absent)
    monkeypatch.setitem(PROVIDERS, "cuda", PROVIDERS["cpu"])
    folder = model_folder("driving")
    manifest = read_manifest(folder)
    manifest = replace(manifest, files={**manifest.files, "onnx_fp16": manifest.files["onnx"]})
    assert open_engine(name, folder, manifest, 1).name == name
    assert "driving.onnx: no pinned staging and no CUDA graph (cuda-python is not installed)" in caplog.text


def test_a_missing_input_is_named(on_host):
    with pytest.raises(EngineError, match="image"):
        OnnxCudaEngine(graph("driving")).infer({})


@pytest.mark.gpu
@pytest.mark.parametrize("name", installed_models())
def test_on_a_gpu_the_answers_to_real_frames_are_those_of_the_cpu_with_and_without_graph(name, skip_if_absent):
    manifest = read_manifest(model_folder(name))
    reference, said = open_model(name, manifest.task), []
    for with_graph in (True, False):
        try:
            engine = OnnxCudaEngine(graph(name), graph=with_graph, say=said.append)
        except HeadwayError as error:
            skip_if_absent(error)
        found = compare(reference.infer, engine.infer, real_feeds(reference, 4)[0], manifest, "fp32")
        assert outside({name: {engine.name: found}}) == []
        engine.close()
    assert said == [], "every network of ours can be recorded"


@pytest.mark.gpu
@pytest.mark.parametrize("with_graph", [True, False])
def test_on_a_gpu_a_session_that_ran_often_is_closed_without_ending_the_process(with_graph, skip_if_absent):
    try:
        engine = OnnxCudaEngine(graph("trajectory"), graph=with_graph)
    except HeadwayError as error:
        skip_if_absent(error)
    manifest = read_manifest(model_folder("trajectory"))
    feeds = {name: np.full(spec.shape, 0.5, spec.dtype) for name, spec in manifest.inputs.items()}
    for _ in range(200):
        engine.infer(feeds)
    engine.close()

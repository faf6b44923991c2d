import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from headway.errors import EngineError, MissingDependencyError, ModelError, UsageError
from headway.paths import weights_dir
from headway.runtime import providers
from headway.runtime.engine import ENGINES, graph_key
from headway.runtime.manifest import (
    FileEntry,
    Manifest,
    TensorSpec,
    file_entries,
    read_manifest,
    verified_path,
    write_manifest,
)
from headway.runtime.model import Model, installed_models, model_folder, open_model

TASK = {"head-pose": "head-pose", "trajectory": "trajectory", "driving": "driving"}


class Fixed:
    """An engine that answers with what it was given: the Model around it is what is tested."""

    name = "fixed"

    def __init__(self, outputs):
        self.outputs = outputs

    def infer(self, feeds):
        return self.outputs

    def close(self):
        self.outputs = None


def model(outputs, tmp_path):
    manifest = Manifest(
        "m",
        "driving",
        {"onnx": FileEntry("m.onnx", "0")},
        {"image": TensorSpec((1, 2), "uint8")},
        {"controls": TensorSpec((1, 2))},
        1,
    )
    return Model(manifest, Fixed(outputs), tmp_path)


ON_GPU = (
    "tensorrt",
    "tensorrt-fp16",
    "tensorrt-int8",
    "onnxruntime-cuda",
    "onnxruntime-cuda-fp16",
    "onnxruntime-tensorrt",
)
ENGINE = [pytest.param(e, marks=pytest.mark.gpu) if e in ON_GPU else e for e in ENGINES]


@pytest.fixture(scope="module")
def in_precision(tmp_path_factory):
    """Returns a function: (model, engine) -> a name for open_model, of a folder that holds the graph that it wants.

    The installed models are shipped in FP32; the graphs of the other precisions are made here as `headway export` does.
    """
    made = {}

    def find(name, engine):
        key = graph_key(engine)
        if key == "onnx" or key in read_manifest(model_folder(name)).files:
            return name
        if (name, key) not in made:
            made[name, key] = str(with_graph(name, key, tmp_path_factory.mktemp(key) / name))
        return made[name, key]

    return find


def with_graph(name, key, folder):
    """The installed model copied to `folder`, with the graph of another precision beside its own."""
    onnx = pytest.importorskip("onnx")
    shutil.copytree(model_folder(name), folder)
    manifest = read_manifest(folder)
    graph, other = verified_path(folder, manifest, "onnx"), folder / f"{key}.onnx"
    if key == "onnx_fp16":
        from headway.export.half import to_half

        onnx.save(to_half(onnx.load(str(graph)))[0], str(other))
    else:
        pytest.importorskip("modelopt", reason="nvidia-modelopt is not installed (headway[export])")
        from headway.bench.frames import real_feeds
        from headway.export.quantise import to_int8

        to_int8(graph, other, real_feeds(open_model(name, TASK[name]), 2, apart=True)[0])
    names = {k: f.path for k, f in manifest.files.items()} | {key: other.name}
    write_manifest(folder, replace(manifest, files=file_entries(folder, names)))
    return folder


def opened_or_skipped(name, engine, in_precision):
    """The model on that engine, or a skip with the engine's own reason; an engine that is full is no absent one."""
    try:
        return open_model(in_precision(name, engine), TASK[name], engine)
    except (EngineError, MissingDependencyError) as error:
        if engine == "onnxruntime" or "out of memory" in str(error):
            raise
        pytest.skip(f"{engine}: {error}")


def some_input(manifest):
    """Numbers of the size that the stages feed: pixels, metres within a street, masks."""
    rng = np.random.default_rng(0)
    feeds = {}
    for name, spec in manifest.inputs.items():
        if spec.dtype == "uint8":
            feeds[name] = rng.integers(0, 255, spec.shape).astype(np.uint8)
        elif name == "valid":
            feeds[name] = np.ones(spec.shape, np.float32)
        else:
            feeds[name] = rng.normal(size=spec.shape).astype(np.float32)
    return feeds


@pytest.mark.parametrize("engine", ENGINE)
@pytest.mark.parametrize("name", sorted(TASK))
def test_installed_models_open_and_answer_in_the_shapes_they_promise(name, engine, in_precision):
    opened = opened_or_skipped(name, engine, in_precision)
    outputs = opened.infer({k: np.zeros(s.shape, s.dtype) for k, s in opened.manifest.inputs.items()})
    for key, spec in opened.manifest.outputs.items():
        assert outputs[key].shape == spec.shape
        assert outputs[key].dtype == np.dtype(spec.dtype)


@pytest.mark.parametrize("engine", ENGINE)
@pytest.mark.parametrize("name", sorted(TASK))
def test_the_same_input_gives_the_same_bits(name, engine, in_precision):
    opened = opened_or_skipped(name, engine, in_precision)
    feeds = some_input(opened.manifest)
    first = {k: v.copy() for k, v in opened.infer(feeds).items()}
    for key, value in opened.infer(feeds).items():
        assert np.array_equal(first[key], value)


AUTO_ENDS_ON = {"onnxruntime", "onnxruntime-cuda", "onnxruntime-cuda-fp16", "tensorrt", "tensorrt-fp16"}


def test_auto_says_what_it_passed_over_and_why(caplog):
    opened = open_model("driving", "driving", "auto")
    assert opened.engine.name in AUTO_ENDS_ON
    if opened.engine.name != "tensorrt":
        assert "model 'driving' runs on" in caplog.text
        assert "tensorrt:" in caplog.text


def test_auto_on_a_gpu_says_aloud_that_it_runs_in_full_for_want_of_a_half_graph(monkeypatch, caplog):
    whole = providers.OPENERS["onnxruntime"]

    def tensorrt(folder, manifest, threads):
        engine = whole(folder, manifest, threads)
        engine.name = "tensorrt"
        return engine

    monkeypatch.setitem(providers.OPENERS, "tensorrt", tensorrt)
    opened = open_model("driving", "driving", "auto")
    assert opened.engine.name == "tensorrt"
    assert "model 'driving' runs on tensorrt (tensorrt-fp16: the model has no fp16 graph)" in caplog.text


def test_an_engine_named_outright_never_becomes_another_in_silence():
    for engine in ON_GPU:
        reason = ""
        try:
            assert open_model("driving", "driving", engine).engine.name == engine
        except (EngineError, MissingDependencyError, ModelError) as error:
            reason = str(error)
        assert len(reason.splitlines()) <= 1


def test_every_installed_model_is_known_to_the_list():
    assert set(TASK) <= set(installed_models())


def test_an_unknown_model_lists_the_installed_ones():
    with pytest.raises(ModelError, match=r"installed: .*driving"):
        open_model("no-such-model", "driving")


def test_a_model_of_another_task_is_refused():
    with pytest.raises(ModelError, match="is for task 'driving'"):
        open_model("driving", "head-pose")


def test_an_unknown_engine_is_refused():
    with pytest.raises(UsageError, match="onnxruntime"):
        open_model("driving", "driving", engine="abacus")


@pytest.mark.parametrize("position", [0, 1000, -1])
def test_one_flipped_bit_is_refused(tmp_path, position):
    folder = tmp_path / "driving"
    shutil.copytree(weights_dir() / "driving", folder)
    path = folder / "driving.onnx"
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"driving\.onnx is not the file"):
        open_model(str(folder), "driving")


def test_a_file_that_is_no_network_is_refused_even_with_the_right_hash(tmp_path):
    import hashlib

    folder = tmp_path / "driving"
    shutil.copytree(weights_dir() / "driving", folder)
    (folder / "driving.onnx").write_bytes(b"not a network")
    raw = json.loads((folder / "manifest.json").read_text())
    raw["files"]["onnx"]["sha256"] = hashlib.sha256(b"not a network").hexdigest()
    (folder / "manifest.json").write_text(json.dumps(raw))
    with pytest.raises(EngineError, match=r"driving\.onnx"):
        open_model(str(folder), "driving")


@pytest.mark.parametrize(
    "feeds",
    [{}, {"image": np.zeros((1, 3), np.uint8)}, {"image": np.zeros((1, 2), np.float32)}],
)
def test_input_of_the_wrong_form_never_reaches_the_engine(tmp_path, feeds):
    with pytest.raises(EngineError, match="image"):
        model({"controls": np.zeros((1, 2))}, tmp_path).infer(feeds)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_network_that_answers_nan_is_an_error_not_an_answer(tmp_path, bad):
    with pytest.raises(EngineError, match="NaN or infinity"):
        model({"controls": np.array([[0.0, bad]])}, tmp_path).infer({"image": np.zeros((1, 2), np.uint8)})


def test_a_missing_output_is_named(tmp_path):
    with pytest.raises(EngineError, match="controls"):
        model({}, tmp_path).infer({"image": np.zeros((1, 2), np.uint8)})


@pytest.mark.parametrize("path", sorted(weights_dir().rglob("*.onnx")), ids=lambda p: p.stem)
def test_shipped_graphs_carry_no_trace_of_the_machine_that_exported_them(path):
    assert b"stack_trace" not in path.read_bytes()

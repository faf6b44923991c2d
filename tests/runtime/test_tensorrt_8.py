"""TensorRT 8, which knows no strongly typed networks and reads no newer operator set (JetPack 6.0)."""

from types import SimpleNamespace

import pytest

from headway.errors import EngineError
from headway.runtime.model import model_folder
from headway.runtime.tensorrt_build import Library, build_engine, hold_precisions, start

DATA = SimpleNamespace(FLOAT="FLOAT", HALF="HALF", INT32="INT32", UINT8="UINT8")


class Layer:
    """A layer of a network of TensorRT 8, which knows its types only where they are given."""

    def __init__(self, kind, inputs, outputs):
        self.type, self.inputs, self.outputs = kind, inputs, outputs
        self.num_inputs, self.num_outputs = len(inputs), len(outputs)
        self.precision, self.set = None, {}

    def get_input(self, i):
        return self.inputs[i]

    def get_output(self, i):
        return self.outputs[i]

    def set_output_type(self, i, kind):
        self.set[i] = kind


def test_tensorrt_8_is_held_to_the_precisions_that_the_casts_of_the_graph_say():
    def tensor(name, kind="FLOAT"):
        return SimpleNamespace(name=name, dtype=kind)

    image, full, half, out, back, values, rows = (
        tensor("image", "UINT8"),
        tensor("full"),
        tensor("half", "HALF"),
        tensor("out"),
        tensor("back"),
        tensor("values"),
        tensor("rows", "INT32"),
    )
    layers = [
        Layer("CAST", [image], [full]),
        Layer("CAST", [full], [half]),
        Layer("CONVOLUTION", [half, None], [out]),
        Layer("CAST", [out], [back]),
        Layer("TOPK", [back], [values, rows]),
    ]
    network = SimpleNamespace(
        num_inputs=1, get_input=lambda i: image, num_layers=len(layers), get_layer=layers.__getitem__
    )
    flags = []
    trt = SimpleNamespace(
        DataType=DATA,
        LayerType=SimpleNamespace(CAST="CAST", CONSTANT="CONSTANT"),
        BuilderFlag=SimpleNamespace(FP16="FP16", OBEY_PRECISION_CONSTRAINTS="OBEY"),
    )
    hold_precisions(trt, network, SimpleNamespace(set_flag=flags.append))
    assert [layer.precision for layer in layers] == [None, None, "HALF", None, "FLOAT"]
    assert layers[2].set == {0: "HALF"}
    assert layers[4].set == {0: "FLOAT"}, "the rows of a ranking are no floats"
    assert flags == ["OBEY", "FP16"]


def test_tensorrt_8_is_not_given_a_graph_that_it_would_read_wrongly():
    old = Library(SimpleNamespace(__version__="8.6.2"), "tensorrt")
    with pytest.raises(EngineError, match=r"tensorrt 8\.6\.2 reads .* up to 17, this graph is of 18: .*--opset 17"):
        build_engine(old, (model_folder("driving") / "driving.onnx").read_bytes())


@pytest.mark.parametrize("what", ["Builder", "Runtime"])
def test_where_cuda_cannot_start_under_tensorrt_8_that_is_the_error_and_not_what_its_bindings_raise(what):
    """A TensorRT of CUDA 13 on a driver of CUDA 12 that cuda-python is content with."""

    def started(logger):
        raise TypeError("pybind11::init(): factory function returned nullptr")

    old = Library(SimpleNamespace(__version__="8.6.2", **{what: started}), "tensorrt")
    logger = SimpleNamespace(last="CUDA initialization failure with error: 35")
    with pytest.raises(EngineError, match=r"tensorrt 8\.6\.2 cannot start here: CUDA initialization failure .* 35"):
        start(old, what, logger)

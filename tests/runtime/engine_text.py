"""What a built engine of TensorRT-RTX says of its layers, without a GPU.

TensorRT's inspector wants an engine that is loaded, and loading wants a driver. But the file holds its program as text:
every tensor with its type, every convolution and product with the tensors that it reads and writes. No manual describes
that text, so a test that reads it must also look that what it asks for was there.
"""

import re

TENSOR = re.compile(rb'tensor=\{[^\n]* name="([^"\n]+)"[^\n]* type=(\w+) \}')
PRODUCT = re.compile(rb'\n  (?:corrltn|fully_connected)=\{ name="([^"]+)" output=\{([^}]*)\} input=\{([^}]*)\}')
QUOTED = re.compile(rb'"([^"]+)"')


def tensor_types(engine: bytes) -> dict[bytes, str]:
    """Tensor -> "float", "half", "int8", ...; TensorRT's scratch memory is int8."""
    return {name: kind.decode() for name, kind in TENSOR.findall(engine)}


def product_types(engine: bytes) -> dict[str, set[str]]:
    """Convolution or product -> types of its input, its weights and its output. Small products are missing: they are
    fused into kernels that have no line of their own."""
    kinds = tensor_types(engine)
    found = {}
    for names, written, read in PRODUCT.findall(engine):
        operands = [*QUOTED.findall(written), *QUOTED.findall(read)[:2]]  # then scale factors, bias, summand
        for name in names.decode().split("+"):  # layers that share their input become one
            found[name] = {kinds[operand] for operand in operands}
    return found


def uses_tf32(engine: bytes) -> list[str]:
    """What each part of the program says: "0" or "1"."""
    return [value.decode() for value in re.findall(rb"\n  tf32=(\d)\n", engine)]

"""Writes files of ONNX as others have them into a folder of models, the argument."""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(sys.argv[1])


def save(name, inputs, outputs, nodes, weights, **how):
    """A model `name`; inputs and outputs are (name, type, shape)."""
    ports = [[helper.make_tensor_value_info(*port) for port in ports] for ports in (inputs, outputs)]
    tensors = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    graph = helper.make_graph(nodes, name, *ports, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    place = FOLDER / name / "1"
    place.mkdir(parents=True)
    onnx.save(model, place / "model.onnx", **how)


F32, I64, U8 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.UINT8
matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
times = helper.make_node("MatMul", ["x", "matrix"], ["y"])

# Several inputs and outputs, one of them a number for each row.
save(
    "two",
    [("a", F32, ["batch", 2]), ("b", F32, ["batch", 3])],
    [("sum", F32, ["batch", 3]), ("most", I64, ["batch"])],
    [
        helper.make_node("MatMul", ["a", "matrix"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["sum"]),
        helper.make_node("ArgMax", ["sum"], ["most"], axis=1, keepdims=0),
    ],
    {"matrix": matrix},
)
# Weights in a file beside.
save(
    "beside",
    [("x", F32, ["batch", 2])],
    [("y", F32, ["batch", 3])],
    [times],
    {"matrix": matrix},
    save_as_external_data=True,
    location="weights.bin",
    size_threshold=0,
)
# One row at a time.
save("one", [("x", F32, [1, 2])], [("y", F32, [1, 3])], [times], {"matrix": matrix})
save(
    "numbers",
    [("ids", I64, ["batch", 3])],
    [("values", F32, ["batch", 3])],
    [helper.make_node("Gather", ["table", "ids"], ["values"])],
    {"table": np.arange(10, dtype=np.float32) / 4},
)
save(
    "bytes",
    [("pixels", U8, ["batch", 2, 2, 3])],
    [("fractions", F32, ["batch", 2, 2, 3])],
    [
        helper.make_node("Cast", ["pixels"], ["floats"], to=F32),
        helper.make_node("Div", ["floats", "most"], ["fractions"]),
    ],
    {"most": np.array(255, dtype=np.float32)},
)
# Rounds in the range of all rows that it is given.
rounds = helper.make_node("DynamicQuantizeLinear", ["x"], ["bytes", "scale", "zero"])
back = helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["y"])
save("range", [("x", F32, ["batch", 2])], [("y", F32, ["batch", 2])], [rounds, back], {})
(FOLDER / "range" / "config.json").write_text('{"batching": {"max_delay_ms": 20}}', encoding="utf-8")

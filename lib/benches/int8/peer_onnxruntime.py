"""onnxruntime's times of a ResNet in f32 and in int8, its own static quantization: one JSON object.

Usage: peer_onnxruntime.py resnet18|resnet50 BATCH THREADS FOLDER. Weights are at random, batch norms folded; files are
left in FOLDER.
"""

import json
import logging
import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

logging.getLogger().setLevel(logging.ERROR)
name, batch, threads, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
random = np.random.default_rng(0)
nodes, tensors = [], []


def node(op, inputs, **attributes):
    output = f"{op.lower()}_{len(nodes)}"
    nodes.append(helper.make_node(op, inputs, [output], **attributes))
    return output


def tensor(*shape):
    fan = int(np.prod(shape[1:])) or 1
    values = random.normal(0, (2 / fan) ** 0.5, shape).astype(np.float32)
    tensors.append(numpy_helper.from_array(values, f"tensor_{len(tensors)}"))
    return tensors[-1].name


def conv(x, inputs, outputs, kernel, stride=1):
    pad, weight, bias = kernel // 2, tensor(outputs, inputs, kernel, kernel), tensor(outputs)
    return node("Conv", [x, weight, bias], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)


def relu(x):
    return node("Relu", [x])


def resnet(x):
    x = relu(conv(x, 3, 64, 7, 2))
    x = node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    wide = 4 if name == "resnet50" else 1
    blocks = [3, 4, 6, 3] if name == "resnet50" else [2, 2, 2, 2]
    inputs = 64
    for stage, (channels, count) in enumerate(zip([64, 128, 256, 512], blocks)):
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            if wide == 1:
                y = conv(relu(conv(x, inputs, channels, 3, stride)), channels, channels, 3)
            else:
                y = relu(conv(relu(conv(x, inputs, channels, 1)), channels, channels, 3, stride))
                y = conv(y, channels, wide * channels, 1)
            if stride > 1 or inputs != wide * channels:
                x = conv(x, inputs, wide * channels, 1, stride)
            x, inputs = relu(node("Add", [x, y])), wide * channels
    x = node("Flatten", [node("GlobalAveragePool", [x])])
    return node("Gemm", [x, tensor(1000, inputs), tensor(1000)], transB=1)


image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 224, 224])
logits = helper.make_tensor_value_info(resnet("x"), TensorProto.FLOAT, [batch, 1000])
graph = helper.make_graph(nodes, name, [image], [logits], tensors)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
onnx.save(model, f"{folder}/f32.onnx")

images = random.random((batch, 3, 224, 224), dtype=np.float32)


class Images(CalibrationDataReader):
    def __init__(self):
        self.left = [{"x": images}]

    def get_next(self):
        return self.left.pop() if self.left else None


quantize_static(
    f"{folder}/f32.onnx",
    f"{folder}/int8.onnx",
    Images(),
    quant_format=QuantFormat.QDQ,
    per_channel=True,
    activation_type=QuantType.QUInt8,
    weight_type=QuantType.QInt8,
)

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
options.log_severity_level = 3
sessions = [
    onnxruntime.InferenceSession(f"{folder}/{kind}.onnx", options, providers=["CPUExecutionProvider"])
    for kind in ["f32", "int8"]
]
times = [[], []]
begin = time.perf_counter()
turn = 0
while turn <= 7 or (turn <= 101 and time.perf_counter() - begin < 3):
    for session, kind in zip(sessions, times):
        start = time.perf_counter()
        session.run(None, {"x": images})
        if turn > 0:
            kind.append((time.perf_counter() - start) * 1e3)
    turn += 1
print(json.dumps({"f32_ms": float(np.median(times[0])), "int8_ms": float(np.median(times[1]))}))

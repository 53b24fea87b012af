"""Checks files of ONNX: what they are, that their shapes are told and right, and what onnxruntime makes of inputs.

The argument is a folder with `cases.json`. Prints a line of JSON for each case; fails if something is wrong."""

import json
import pathlib
import sys

import numpy
import onnx
import onnxruntime
from safetensors.numpy import load_file

# So much of the largest number of an output may a result be away.
TOLERANCE = 1e-4


def shapes(infos):
    """The known shapes by name: a number, a name or None for each dimension."""
    found = {}
    for info in infos:
        if info.type.tensor_type.HasField("shape"):
            dims = info.type.tensor_type.shape.dim
            found[info.name] = [d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in dims]
    return found


def check_file(path, case):
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(str(path))
    assert model.opset_import[0].version == case["opset"]
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    graph = model.graph
    told = shapes([*graph.value_info, *graph.output, *graph.input])
    for node in graph.node:
        for name in node.output:
            assert name in told, f"no shape of {name}"
            assert case["open"] or None not in told[name], f"{name} has the shape {told[name]}"
    # What ONNX's own rules say of the same graph without what we tell.
    del graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True).graph
    for name, dims in shapes([*inferred.value_info, *inferred.output]).items():
        assert len(dims) == len(told[name]), f"{name}: {told[name]} told, {dims} inferred"
        for ours, theirs in zip(told[name], dims):
            both = isinstance(ours, int) and isinstance(theirs, int)
            assert not both or ours == theirs, f"{name}: {told[name]} told, {dims} inferred"


def session(path, level, precise=False):
    options = onnxruntime.SessionOptions()
    if precise:
        # Without it, sums of 8-bit products saturate in 16 bits on x86 CPUs without VNNI.
        options.add_session_config_entry("session.x64quantprecision", "1")
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def largest(found, wanted, name):
    assert found.shape == wanted.shape, f"{name}: {found.shape} instead of {wanted.shape}"
    assert numpy.isfinite(wanted).all() and numpy.isfinite(found).all(), f"{name} is not finite"
    return float(numpy.abs(found - wanted).max())


def run(path, case, tensors, level, precise=False):
    """Pairs of what came out and what should have, by output, for each input."""
    model = session(path, level, precise)
    names = [name.name for name in model.get_inputs()]
    outputs = [output.name for output in model.get_outputs()]
    for at in range(case["inputs"]):
        feed = {name: tensors[f"{at}.input.{place}"] for place, name in enumerate(names)}
        results = model.run(None, feed)
        for output, found in zip(outputs, results):
            # Of models on integers only the main output is known.
            if case["kind"] == "float" or f"{at}.output.{output}" in tensors:
                yield output, found, tensors[f"{at}.output.{output}"]


def check_float(path, case, tensors):
    worst = 0.0
    for name, found, wanted in run(path, case, tensors, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL):
        scale = max(float(numpy.abs(wanted).max()), 1e-6)
        worst = max(worst, largest(found, wanted, name) / scale)
    assert worst <= TOLERANCE, f"{worst} of the largest output away"
    return {"relative": worst}


def check_int8(path, case, tensors):
    every = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    ways = {
        "plain": (onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL, False),
        "integers": (every, True),
        # What happens here is a matter of the CPU; it is only told.
        "integers as they come": (every, False),
    }
    report = {}
    for key, (level, precise) in ways.items():
        steps, same, count = 0.0, 0, 0
        for name, found, wanted in run(path, case, tensors, level, precise):
            # A step: the range of the outputs in 255.
            step = float(wanted.max() - wanted.min()) / 255
            steps = max(steps, largest(found, wanted, name) / step)
            same += int((found.argmax(-1) == wanted.argmax(-1)).sum())
            count += wanted.shape[0]
        report[key] = {"steps": steps, "agreement": same / count}
    for key in ["plain", "integers"]:
        assert report[key]["steps"] <= 2, report
        assert report[key]["agreement"] >= 0.99 or case["kind"] == "int8 graph", report
    return report


def main(folder):
    failures = []
    for case in json.loads((folder / "cases.json").read_text()):
        path = folder / case["file"]
        tensors = load_file(str(folder / case["data"]))
        try:
            check_file(path, case)
            check = check_float if case["kind"] == "float" else check_int8
            print(json.dumps({"name": case["name"], **check(path, case, tensors)}))
        except Exception as error:
            failures.append(f"{case['name']}: {type(error).__name__}: {error}")
    print("\n".join(failures), file=sys.stderr)
    sys.exit(1 if failures else 0)


main(pathlib.Path(sys.argv[1]))

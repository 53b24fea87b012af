"""Runs exported models in LiteRT and TensorFlow and says how far they are from what they should give.

Takes a folder with `cases.json`; writes `results.json` into it: for each case and each way of running it the largest
difference of any output, in parts of the largest number of that output.
"""

import functools
import gc
import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np


def read(folder, tensor):
    return np.fromfile(folder / tensor["file"], "<f4").reshape(tensor["dims"])


def channels_last(x):
    return np.moveaxis(x, 1, -1) if x.ndim == 4 else x


def deviation(got, wanted):
    largest = 0.0
    assert sorted(got) == sorted(wanted), (sorted(got), sorted(wanted))
    for name, value in wanted.items():
        value = channels_last(value)
        assert got[name].shape == value.shape, (name, got[name].shape, value.shape)
        assert np.isfinite(got[name]).all(), name
        scale = max(np.abs(value).max(), 1e-3)
        largest = max(largest, float(np.abs(got[name] - value).max() / scale))
    return largest


def resized(path, inputs, at_once):
    """Runs a file for images of any size on those that there are, without the help of its signature."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    # As it is, it runs on the size that it was built for.
    interpreter.allocate_tensors()
    interpreter.invoke()
    # A runner holds tensors, which then cannot be resized: one of another interpreter says where they are.
    runner = Interpreter(str(path)).get_signature_runner("serving_default")
    details, outputs = runner.get_input_details(), runner.get_output_details()
    runs = []
    for row in [inputs] if at_once else rows(inputs):
        for name, values in row.items():
            # Strict: only what the file leaves open may change.
            interpreter.resize_tensor_input(details[name]["index"], values.shape, strict=True)
        interpreter.allocate_tensors()
        for name, values in row.items():
            interpreter.set_tensor(details[name]["index"], values)
        interpreter.invoke()
        runs.append({name: interpreter.get_tensor(output["index"]) for name, output in outputs.items()})
    return {key: np.concatenate([run[key] for run in runs]) for key in runs[0]}


def lite(model, inputs, at_once):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model) if isinstance(model, bytes) else Interpreter(str(model))
    runner = interpreter.get_signature_runner("serving_default")
    assert sorted(runner.get_input_details()) == sorted(inputs), runner.get_input_details()
    if at_once:
        return runner(**inputs)
    runs = [runner(**row) for row in rows(inputs)]
    return {key: np.concatenate([run[key] for run in runs]) for key in runs[0]}


def rows(inputs):
    count = len(next(iter(inputs.values())))
    return [{name: values[i : i + 1] for name, values in inputs.items()} for i in range(count)]


def whole(path, inputs):
    """Runs a file all of whose numbers are integers, and gives its outputs with the size of a step of each."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    kinds = {detail["name"]: detail["dtype"] for detail in interpreter.get_tensor_details()}
    others = {name: kind for name, kind in kinds.items() if kind not in (np.int8, np.int32)}
    assert not others, others
    runner = interpreter.get_signature_runner("serving_default")
    ((name, detail),) = runner.get_input_details().items()
    scale, zero = detail["quantization"]
    assert detail["dtype"] == np.int8 and scale > 0, detail
    steps = np.clip(np.round(inputs[name] / scale) + zero, -128, 127).astype(np.int8)
    runs = [runner(**{name: steps[i : i + 1]}) for i in range(len(steps))]
    found = {}
    for key, detail in runner.get_output_details().items():
        scale, zero = detail["quantization"]
        assert detail["dtype"] == np.int8 and scale > 0, detail
        found[key] = (np.concatenate([run[key] for run in runs]).astype(np.float32) - zero) * scale, scale
    return found


def fields(table):
    """Reads fields of a table of flatbuffers by their numbers."""
    import flatbuffers.number_types as kinds
    from flatbuffers.table import Table

    def at(number):
        return table.Offset(4 + 2 * number)

    def follow(place):
        return Table(table.Bytes, table.Indirect(place))

    class Fields:
        def text(self, number):
            return table.String(at(number) + table.Pos).decode() if at(number) else None

        def number(self, number, kind):
            return table.Get(getattr(kinds, kind), at(number) + table.Pos) if at(number) else 0

        def table(self, number):
            return fields(follow(at(number) + table.Pos))

        def tables(self, number):
            if not at(number):
                return []
            start = table.Vector(at(number))
            return [fields(follow(start + 4 * i)) for i in range(table.VectorLen(at(number)))]

        def numbers(self, number):
            start = table.Vector(at(number))
            count = table.VectorLen(at(number))
            return [table.Get(kinds.Float32Flags, start + 4 * i) for i in range(count)]

    return Fields()


def metadata(path):
    """What a file's standard metadata says, with the numbers that its fields have in `metadata_schema.fbs`."""
    import struct
    import zipfile

    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers.table import Table

    model = schema.Model.GetRootAsModel(path.read_bytes(), 0)
    entries = {model.Metadata(i).Name().decode(): model.Metadata(i).Buffer() for i in range(model.MetadataLength())}
    content = model.Buffers(entries["TFLITE_METADATA"]).DataAsNumpy().tobytes()
    assert content[4:8] == b"M001", content[:8]
    told = fields(Table(bytearray(content), struct.unpack("<I", content[:4])[0]))
    (graph,) = told.tables(3)
    ((image,), outputs) = graph.tables(2), graph.tables(3)
    (unit,) = image.tables(4)
    assert image.table(3).number(0, "Uint8Flags") == 2 and unit.number(0, "Uint8Flags") == 1
    properties, normalization = image.table(3).table(1), unit.table(1)
    size = properties.table(1)
    found = {
        "name": told.text(0),
        "input": image.text(0),
        "color": properties.number(0, "Int8Flags"),
        "size": [size.number(1, "Uint32Flags"), size.number(0, "Uint32Flags")],
        "mean": normalization.numbers(0),
        "std": normalization.numbers(1),
        "outputs": [output.text(0) for output in outputs],
    }
    for file in [file for output in outputs for file in output.tables(6)]:
        assert file.number(2, "Int8Flags") == 2
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist() == [file.text(0)], archive.namelist()
            found["labels"] = archive.read(file.text(0)).decode().split("\n")
    return found


@functools.lru_cache(1)
def loaded(folder):
    import tensorflow as tf

    return tf.saved_model.load(folder)


def saved(folder, inputs):
    import tensorflow as tf

    signature = loaded(str(folder)).signatures["serving_default"]
    assert sorted(signature.structured_input_signature[1]) == sorted(inputs), signature
    inputs = {name: tf.constant(values) for name, values in inputs.items()}
    return {key: value.numpy() for key, value in signature(**inputs).items()}


def converted(folder):
    import tensorflow as tf

    return tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()


def chosen(what, got, wanted):
    """Models on integers have their main output here."""
    return {key: value for key, value in got.items() if key in wanted} if "int8" in what else got


def run(folder, case):
    inputs = {
        tensor["name"]: np.ascontiguousarray(channels_last(read(folder, tensor))) for tensor in case["inputs"]
    }
    wanted = {output["name"]: read(folder, output) for output in case["outputs"]}
    found = {}
    for what, file in case["files"].items():
        path = folder / file
        if what == "metadata":
            told = metadata(path)
            assert told == case["metadata"], told
            found[what] = 0.0
        elif what.startswith("int8"):
            # The main output is what there is to compare with.
            (name,) = wanted
            got, step = whole(path, inputs)[name]
            value = channels_last(wanted[name])
            assert got.shape == value.shape, (got.shape, value.shape)
            if what == "int8 other classes":
                found[what] = float((got.argmax(-1) != value.argmax(-1)).mean())
            else:
                far = float(np.abs(got - value).max())
                found[what] = far / step if what == "int8 steps" else far
        elif what.endswith("other classes"):
            (name,) = wanted
            got = lite(path, inputs, False) if what.startswith("lite") else saved(path, inputs)
            found[what] = float((got[name].argmax(-1) != wanted[name].argmax(-1)).mean())
        elif what.startswith("lite"):
            got = (resized if "any" in what else lite)(path, inputs, "batch" in what)
            found[what] = deviation(chosen(what, got, wanted), wanted)
        elif what.startswith("saved"):
            found[what] = deviation(chosen(what, saved(path, inputs), wanted), wanted)
        elif what == "converted":
            # What TensorFlow itself makes of the graph, against what is in the file beside it.
            own = lite(folder / case["files"]["lite"], inputs, False)
            own = {key: np.moveaxis(value, -1, 1) if value.ndim == 4 else value for key, value in own.items()}
            found[what] = deviation(lite(converted(path), inputs, False), own)
    return found


def main():
    folder = Path(sys.argv[1])
    results = {}
    for case in json.loads((folder / "cases.json").read_text()):
        try:
            results[case["name"]] = run(folder, case)
        except Exception as error:
            results[case["name"]] = {"error": f"{type(error).__name__}: {error}"[:600]}
        # Loaded models hold themselves.
        gc.collect()
    (folder / "results.json").write_text(json.dumps(results))


main()

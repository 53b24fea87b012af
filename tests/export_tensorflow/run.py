"""Runs exported models in LiteRT and TensorFlow and says how far they are from what they should give.

Takes a folder with `cases.json`; writes `results.json` into it: for each case and each way of running it the largest
difference of any output, in parts of the largest number of that output.
"""

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


def lite(model, images, at_once):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model) if isinstance(model, bytes) else Interpreter(str(model))
    runner = interpreter.get_signature_runner("serving_default")
    (name,) = runner.get_input_details()
    if at_once:
        return runner(**{name: images})
    runs = [runner(**{name: images[i : i + 1]}) for i in range(len(images))]
    return {key: np.concatenate([run[key] for run in runs]) for key in runs[0]}


def saved(folder, images):
    import tensorflow as tf

    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    (name,) = signature.structured_input_signature[1]
    return {key: value.numpy() for key, value in signature(**{name: tf.constant(images)}).items()}


def converted(folder):
    import tensorflow as tf

    return tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()


def run(folder, case):
    images = channels_last(read(folder, case["input"]))
    images = np.ascontiguousarray(images)
    wanted = {output["name"]: read(folder, output) for output in case["outputs"]}
    found = {}
    for what, file in case["files"].items():
        path = folder / file
        if what == "lite other classes":
            (name,) = wanted
            got = lite(path, images, False)[name].argmax(-1)
            found[what] = float((got != wanted[name].argmax(-1)).mean())
        elif what.startswith("lite"):
            found[what] = deviation(lite(path, images, "batch" in what), wanted)
        elif what == "saved":
            found[what] = deviation(saved(path, images), wanted)
        elif what == "converted":
            # What TensorFlow itself makes of the graph, against what is in the file beside it.
            own = lite(folder / case["files"]["lite"], images, False)
            own = {key: np.moveaxis(value, -1, 1) if value.ndim == 4 else value for key, value in own.items()}
            found[what] = deviation(lite(converted(path), images, False), own)
    return found


def main():
    folder = Path(sys.argv[1])
    results = {}
    for case in json.loads((folder / "cases.json").read_text()):
        try:
            results[case["name"]] = run(folder, case)
        except Exception as error:
            results[case["name"]] = {"error": f"{type(error).__name__}: {error}"[:600]}
    (folder / "results.json").write_text(json.dumps(results))


main()

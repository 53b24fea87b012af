"""Asks a server through clients of others: tritonclient over HTTP and gRPC, and TensorFlow Serving's REST API as its
documentation has it. The argument is a JSON file with the addresses, images and what the model gives for them."""

import json
import queue
import re
import sys
import urllib.error
import urllib.request

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

case = json.load(open(sys.argv[1], encoding="utf-8"))
images = np.array(case["images"], dtype=np.float32)
wanted = np.array(case["outputs"], dtype=np.float32)


def close(got, rows):
    np.testing.assert_allclose(got, wanted[rows], rtol=1e-5, atol=1e-5)


def fails(code, call):
    try:
        call()
    except InferenceServerException as error:
        assert str(error.status()) in code, (error.status(), error.message())
        assert error.message()
        return
    raise AssertionError(f"no error, where one of {code} was expected")


def inputs(kind, rows, dtype="FP32", name="input", **how):
    values = images[rows]
    tensor = kind.InferInput(name, list(values.shape), dtype)
    tensor.set_data_from_numpy(values, **how)
    return [tensor]


def meta(client, kind):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("small") and client.is_model_ready("small", "1")
    assert not client.is_model_ready("small", "2") and not client.is_model_ready("none")
    how = {"as_json": True} if kind is grpc else {}
    assert client.get_server_metadata(**how)["name"] == "sconce"
    model = client.get_model_metadata("small", **how)
    shape = [int(side) for side in model["inputs"][0]["shape"]]
    assert (model["name"], model["platform"], shape) == ("small", "sconce", [-1, 1, 4, 4]), model
    assert model["outputs"][0]["name"] == "output" and model["versions"] == ["1"], model


def over_http():
    client = http.InferenceServerClient(case["http"], concurrency=16)
    meta(client, http)
    close(client.infer("small", inputs(http, slice(0, 3))).as_numpy("output"), slice(0, 3))
    for sent in (True, False):
        for back in (True, False):
            tensors = inputs(http, slice(2, 3), binary_data=sent)
            output = http.InferRequestedOutput("output", binary_data=back)
            answer = client.infer("small", tensors, model_version="1", outputs=[output], request_id="7")
            close(answer.as_numpy("output"), slice(2, 3))
            assert answer.get_response()["id"] == "7"
    asked = [client.async_infer("small", inputs(http, slice(at, at + 1))) for at in range(len(images))]
    for at, one in enumerate(asked):
        close(one.get_result().as_numpy("output"), slice(at, at + 1))
    nan = http.InferInput("input", [1, 1, 4, 4], "FP32")
    nan.set_data_from_numpy(np.full([1, 1, 4, 4], np.nan, dtype=np.float32))
    fails(["400"], lambda: client.infer("small", [nan]))
    fails(["400"], lambda: client.infer("small", inputs(http, slice(0, 1), name="other")))
    output = http.InferRequestedOutput("output", class_count=2)
    fails(["400"], lambda: client.infer("small", inputs(http, slice(0, 1)), outputs=[output]))
    fails(["404"], lambda: client.infer("none", inputs(http, slice(0, 1))))
    fails(["404"], lambda: client.get_model_config("small"))
    fails(["404"], lambda: client.get_model_repository_index())
    gzip = {"request_compression_algorithm": "gzip"}
    fails(["415"], lambda: client.infer("small", inputs(http, slice(0, 1)), **gzip))
    client.close()


def over_grpc():
    client = grpc.InferenceServerClient(case["grpc"])
    meta(client, grpc)
    close(client.infer("small", inputs(grpc, slice(0, 3))).as_numpy("output"), slice(0, 3))
    output = grpc.InferRequestedOutput("output")
    answer = client.infer("small", inputs(grpc, slice(1, 2)), model_version="1", outputs=[output], request_id="7")
    close(answer.as_numpy("output"), slice(1, 2))
    assert answer.get_response().id == "7"
    answers = queue.Queue()
    for at in range(len(images)):
        call = lambda result, error, at=at: answers.put((at, result, error))
        client.async_infer("small", inputs(grpc, slice(at, at + 1)), call)
    for _ in range(len(images)):
        at, result, error = answers.get(timeout=60)
        assert error is None, error
        close(result.as_numpy("output"), slice(at, at + 1))
    invalid, missing = ["StatusCode.INVALID_ARGUMENT"], ["StatusCode.NOT_FOUND"]
    fails(invalid, lambda: client.infer("small", inputs(grpc, slice(0, 1), name="other")))
    fails(missing, lambda: client.infer("none", inputs(grpc, slice(0, 1))))
    beyond = ["StatusCode.UNIMPLEMENTED"]
    fails(beyond, lambda: client.get_model_config("small"))
    fails(beyond, lambda: client.get_model_repository_index())
    fails(beyond, lambda: client.get_inference_statistics("small"))
    fails(beyond, lambda: client.load_model("small"))
    fails(beyond, lambda: client.get_trace_settings())
    fails(beyond, lambda: client.get_system_shared_memory_status())
    client.close()


def from_onnxruntime():
    client = http.InferenceServerClient(case["http"])
    model = client.get_model_metadata("exported")
    assert model["platform"] == "onnxruntime_onnx" and model["inputs"][0]["shape"] == [-1, 1, 4, 4], model
    tensors = inputs(http, slice(0, 64), name=model["inputs"][0]["name"])
    got = client.infer("exported", tensors).as_numpy(model["outputs"][0]["name"])
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)
    examples = [{model["inputs"][0]["name"]: images[0].tolist()}]
    status, answer = ask("/v1/models/exported:classify", {"examples": examples})
    assert status == 200 and [label for label, _ in answer["result"][0]] == ["cat", "dog", "cow"], answer
    client.close()


def tensor(kind, name, values):
    """An input of a request, and its type by its values'."""
    values = np.array(values)
    types = {np.dtype("float32"): "FP32", np.dtype("int64"): "INT64", np.dtype("uint8"): "UINT8"}
    given = kind.InferInput(name, list(values.shape), types[values.dtype])
    given.set_data_from_numpy(values)
    return given


def files_of_others():
    client, remote = http.InferenceServerClient(case["http"], concurrency=16), grpc.InferenceServerClient(case["grpc"])
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(24, 2)).astype(np.float32), rng.normal(size=(24, 3)).astype(np.float32)
    sums = a @ matrix + b

    def two(kind, rows):
        return [tensor(kind, "b", b[rows]), tensor(kind, "a", a[rows])]

    def is_right(answer, rows):
        np.testing.assert_allclose(answer.as_numpy("sum"), sums[rows], rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(answer.as_numpy("most"), sums[rows].argmax(axis=1))

    for kind, asked in [(http, client), (grpc, remote)]:
        is_right(asked.infer("two", two(kind, slice(0, 5))), slice(0, 5))
        only = asked.infer("two", two(kind, slice(0, 2)), outputs=[kind.InferRequestedOutput("most")])
        assert only.as_numpy("sum") is None and len(only.as_numpy("most")) == 2
        wrong = ["400", "StatusCode.INVALID_ARGUMENT"]
        fails(wrong, lambda: asked.infer("two", [tensor(kind, "a", a[:2]), tensor(kind, "b", b[:1])]))
        fails(wrong, lambda: asked.infer("two", [tensor(kind, "a", a[:2])]))
        fails(wrong, lambda: asked.infer("two", [tensor(kind, "a", a[:2])] * 2))
    together = [client.async_infer("two", two(http, slice(at, at + 1))) for at in range(24)]
    for at, one in enumerate(together):
        is_right(one.get_result(), slice(at, at + 1))
    objects = [{"a": row.tolist(), "b": other.tolist()} for row, other in zip(a[:3], b[:3])]
    status, answer = ask("/v1/models/two:predict", {"instances": objects})
    assert status == 200 and [row["most"] for row in answer["predictions"]] == sums[:3].argmax(axis=1).tolist(), answer
    status, answer = ask("/v1/models/two:predict", {"inputs": {"a": a[:3].tolist(), "b": b[:3].tolist()}})
    np.testing.assert_allclose(answer["outputs"]["sum"], sums[:3], rtol=1e-5, atol=1e-5)

    got = client.infer("beside", [tensor(http, "x", a)]).as_numpy("y")
    np.testing.assert_allclose(got, a @ matrix, rtol=1e-5, atol=1e-5)

    # A batch fixed to one is as open as others from outside.
    assert client.get_model_metadata("one")["inputs"][0]["shape"] == [-1, 2]
    got = client.infer("one", [tensor(http, "x", a[:5])]).as_numpy("y")
    np.testing.assert_allclose(got, (a @ matrix)[:5], rtol=1e-5, atol=1e-5)
    together = [client.async_infer("one", [tensor(http, "x", a[at : at + 1])]) for at in range(24)]
    for at, one in enumerate(together):
        np.testing.assert_allclose(one.get_result().as_numpy("y")[0], a[at] @ matrix, rtol=1e-5, atol=1e-5)

    ids = np.array([[1, 2, 3], [9, 0, 4]])
    got = client.infer("numbers", [tensor(http, "ids", ids)]).as_numpy("values")
    np.testing.assert_array_equal(got, ids.astype(np.float32) / 4)
    assert ask("/v1/models/numbers:predict", {"instances": ids.tolist()})[1]["predictions"] == (ids / 4).tolist()
    assert ask("/v1/models/numbers:predict", {"instances": [[1.5, 0, 0]]})[0] == 400
    # Beyond the table: the model's own refusal, which takes no other request with it.
    assert ask("/v1/models/numbers:predict", {"instances": [[99, 0, 0]]})[0] == 400
    pixels = rng.integers(0, 256, size=(4, 2, 2, 3), dtype=np.uint8)
    for kind, asked in [(http, client), (grpc, remote)]:
        got = asked.infer("bytes", [tensor(kind, "pixels", pixels)]).as_numpy("fractions")
        np.testing.assert_allclose(got, pixels / np.float32(255), rtol=1e-6)
    assert ask("/v1/models/bytes:predict", {"instances": [[[[256] * 3] * 2] * 2]})[0] == 400
    client.close()
    remote.close()


def batches(model):
    """The rows that have been computed of a model, and in how many batches."""
    with urllib.request.urlopen(f"http://{case['http']}/metrics") as answer:
        text = answer.read().decode()

    def count(part):
        return int(re.search(rf'^sconce_serve_batch_size_{part}{{model="{model}"}} (\d+)$', text, re.MULTILINE)[1])

    return count("sum"), count("count")


def on_integers():
    """Our models on integers as QDQ, and files that round in the range of what they are given."""
    client = http.InferenceServerClient(case["http"], concurrency=16)
    for name in ("calibrated", "dynamic"):
        asked = [client.async_infer(name, inputs(http, slice(at, at + 1))) for at in range(len(images))]
        got = np.concatenate([one.get_result().as_numpy("output") for one in asked])
        steps = np.abs(got - np.array(case[name], dtype=np.float32)).max() / case["step"]
        assert steps <= 2, (name, steps)
    # Rows whose range is that of their batch have it for themselves: the file says so. Others share.
    assert batches("dynamic") == (len(images), len(images)), batches("dynamic")
    rows, count = batches("calibrated")
    assert rows == len(images) and count < rows, (rows, count)
    # A large number beside a small one would make it nothing.
    both = np.array([[0.01, 0.02], [1e6, 1e6]], dtype=np.float32)
    asked = [client.async_infer("range", [tensor(http, "x", both[at % 2 : at % 2 + 1])]) for at in range(32)]
    got = np.concatenate([one.get_result().as_numpy("y") for one in asked])
    np.testing.assert_allclose(got[::2], np.tile(both[:1], (16, 1)), rtol=0.02)
    client.close()


def ask(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(f"http://{case['http']}{path}", data) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def as_tensorflow_serving():
    status, answer = ask("/v1/models/small")
    assert status == 200 and answer["model_version_status"][0]["state"] == "AVAILABLE", answer
    rows = images[:2].tolist()
    for body, key in [
        ({"signature_name": "serving_default", "instances": rows}, "predictions"),
        ({"instances": [{"input": row} for row in rows]}, "predictions"),
        ({"inputs": rows}, "outputs"),
        ({"inputs": {"input": rows}}, "outputs"),
    ]:
        status, answer = ask("/v1/models/small/versions/1:predict", body)
        assert status == 200, answer
        close(np.array(answer[key], dtype=np.float32), slice(0, 2))
    status, answer = ask("/v1/models/small:classify", {"examples": [{"input": rows[0]}]})
    labels = [label for label, _ in answer["result"][0]]
    assert status == 200 and labels == ["cat", "dog", "cow"], answer
    status, answer = ask("/v1/models/small:predict", {"instances": [[1, [2]]]})
    assert status == 400 and list(answer) == ["error"], answer
    # What Python's own writer makes of a NaN.
    status, answer = ask("/v1/models/small:predict", {"instances": [[[[float("nan")] * 4] * 4]]})
    assert status == 400 and list(answer) == ["error"], answer
    assert ask("/v1/models/none/metadata")[0] == 404


over_http()
over_grpc()
from_onnxruntime()
files_of_others()
on_integers()
as_tensorflow_serving()

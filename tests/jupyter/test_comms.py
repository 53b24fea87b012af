"""Comms and widgets as front ends use them."""

import json

import pytest
from conftest import TIMEOUT

ECHO = """
use sconce_display::comm;
comm::register_target("echo", |comm, _| comm.on_message(|comm, message| {
    println!("got {}", message.data);
    let mut reply = comm::Payload::from(message.data);
    reply.buffers = message.buffers;
    comm.send(reply);
}));
"""


class Page:
    """A front end's side: sends comm messages, and collects what answers each up to its idle."""

    def __init__(self, kernel):
        self.kernel = kernel

    def say(self, msg_type, buffers=None, **content):
        client = self.kernel.client
        message = client.session.msg(msg_type, content)
        client.session.send(client.shell_channel.socket, message, buffers=buffers)
        return self.answers(message["header"]["msg_id"])

    def answers(self, msg_id):
        answers = []
        while True:
            message = self.kernel.client.get_iopub_msg(timeout=TIMEOUT)
            if message["parent_header"].get("msg_id") != msg_id:
                continue
            if message["msg_type"] != "status":
                answers.append(message)
            elif message["content"]["execution_state"] == "idle":
                return answers

    def update(self, comm, **state):
        return self.say("comm_msg", comm_id=comm, data={"method": "update", "state": state, "buffer_paths": []})

    def comms(self, **request):
        client = self.kernel.client
        message = client.session.msg("comm_info_request", request)
        client.shell_channel.send(message)
        return client.get_shell_msg(timeout=TIMEOUT)["content"]["comms"]


@pytest.fixture
def page(kernel):
    assert kernel.run("").status == "ok"
    return Page(kernel)


def test_a_front_end_opens_a_comm_and_talks(kernel, page):
    assert kernel.run(ECHO).status == "ok"
    assert page.say("comm_open", comm_id="c", target_name="echo", data={}) == []
    stream, reply = page.say("comm_msg", comm_id="c", data={"x": 1}, buffers=[b"\x00\xff", b""])
    assert stream["content"] == {"name": "stdout", "text": 'got {"x":1}\n'}
    assert (reply["msg_type"], reply["content"]) == ("comm_msg", {"comm_id": "c", "data": {"x": 1}})
    assert [bytes(buffer) for buffer in reply["buffers"]] == [b"\x00\xff", b""]
    assert page.comms() == page.comms(target_name="echo") == {"c": {"target_name": "echo"}}
    assert page.comms(target_name="other") == {}
    assert page.say("comm_close", comm_id="c", data={}) == []
    assert page.comms() == {}


def test_an_unknown_target_is_closed(page):
    (closed,) = page.say("comm_open", comm_id="c", target_name="unknown", data={})
    assert (closed["msg_type"], closed["content"]) == ("comm_close", {"comm_id": "c", "data": {}})
    assert page.comms() == {}


def test_what_a_thread_prints_after_its_cell_comes_under_its_name(kernel):
    cell = kernel.send(
        "std::thread::spawn(|| { std::thread::sleep(std::time::Duration::from_millis(300)); println!(\"late\"); });"
    )
    assert kernel.finish(cell).stdout == ""
    message = kernel.client.get_iopub_msg(timeout=TIMEOUT)
    assert (message["parent_header"]["msg_id"], message["content"]["text"]) == (cell, "late\n")


def show(kernel, code):
    """Runs a cell that ends with a widget: the comms it opened by model name, and the id of the one it shows."""
    opened = {}
    msg_id = kernel.send(code)
    while True:
        message = kernel.client.get_iopub_msg(timeout=TIMEOUT)
        content = message["content"]
        assert message["msg_type"] != "error", content
        if message["msg_type"] == "comm_open":
            assert content["target_name"] == "jupyter.widget" and message["metadata"]["version"] == "2.1.0"
            opened[content["data"]["state"]["_model_name"]] = content
        elif message["msg_type"] == "execute_result":
            view = content["data"]["application/vnd.jupyter.widget-view+json"]
            text = content["data"]["text/plain"]
        elif message["msg_type"] == "status" and content["execution_state"] == "idle":
            kernel.client.get_shell_msg(timeout=TIMEOUT)
            assert message["parent_header"]["msg_id"] == msg_id
            return opened, view["model_id"], text


def test_a_slider_moves_code_and_code_moves_it(kernel, page):
    opened, _, text = show(
        kernel,
        "use sconce::widgets::{IntSlider, Label, VBox};\n"
        "let slider = IntSlider::new(0..=100)?.with_value(5)?; let label = Label::new(\"\");\n"
        "let shown = label.clone(); slider.on_change(move |value| shown.set_value(format!(\"{value} steps\")));\n"
        "let both = VBox::new(&[&slider, &label]); both",
    )
    assert text.startswith("VBox(")
    slider = opened["IntSliderModel"]["comm_id"]
    label = opened["LabelModel"]["comm_id"]
    echo, update = page.update(slider, value=42)
    assert echo["content"] == {
        "comm_id": slider, "data": {"method": "echo_update", "state": {"value": 42}, "buffer_paths": []}
    }
    assert update["content"]["comm_id"] == label
    assert update["content"]["data"]["state"] == {"value": "42 steps"}
    assert kernel.value("slider.value()") == "42"
    # While a cell runs too, which is what they are for.
    cell = kernel.send(
        'println!("running"); while slider.value() != 7 { std::thread::sleep(std::time::Duration::from_millis(2)); }\n'
        "slider.value()"
    )
    while kernel.client.get_iopub_msg(timeout=TIMEOUT)["msg_type"] != "stream":
        pass
    page.say("comm_msg", comm_id=slider, data={"method": "update", "state": {"value": 7}, "buffer_paths": []})
    reply = kernel.client.get_shell_msg(timeout=TIMEOUT)
    assert (reply["parent_header"]["msg_id"], reply["content"]["status"]) == (cell, "ok")


def test_a_page_that_is_loaded_anew_finds_its_widgets(kernel, page):
    opened, shown, _ = show(kernel, "sconce::widgets::Dropdown::new([\"lenet\", \"resnet\"])?")
    assert set(page.comms(target_name="jupyter.widget")) == {content["comm_id"] for content in opened.values()}
    assert page.say("comm_open", comm_id="control", target_name="jupyter.widget.control", data={}) == []
    (answer,) = page.say("comm_msg", comm_id="control", data={"method": "request_states"})
    data = answer["content"]["data"]
    assert data["method"] == "update_states"
    assert data["states"][shown]["state"]["_options_labels"] == ["lenet", "resnet"]
    assert {state["model_name"] for state in data["states"].values()} == set(opened)


def test_with_a_worker_its_comms_are_closed(kernel, page):
    _, shown, _ = show(kernel, "sconce::widgets::Button::new(\"start\")")
    cell = kernel.run("std::process::exit(3)")
    assert cell.status == "error"
    closed = {content["comm_id"] for content in cell.of_type("comm_close")}
    assert shown in closed and len(closed) == 3, json.dumps(cell.of_type("comm_close"))
    assert page.comms() == {}

"""What cells read and ask, answered as front ends answer."""

import pytest
from conftest import TIMEOUT, wait_until
from jupyter_client.session import new_id


def answer(kernel, *values):
    """Answers the questions that come, and returns them."""
    asked = []
    for value in values:
        message = kernel.client.get_stdin_msg(timeout=TIMEOUT)
        assert message["msg_type"] == "input_request"
        asked.append((message["parent_header"]["msg_id"], message["content"]))
        kernel.client.input(value)
    return asked


def test_standard_input_line_by_line(kernel):
    cell = kernel.send(
        'print!("name? "); let mut name = String::new(); std::io::stdin().read_line(&mut name)?;\n'
        "let rest: Vec<String> = std::io::stdin().lines().map(|line| line.unwrap()).collect();\n"
        "(name, rest)",
        allow_stdin=True,
    )
    asked = answer(kernel, "Ada", "one", "zwölf", "\x04")
    assert asked == [(cell, {"prompt": "", "password": False})] * 4
    cell = kernel.finish(cell)
    assert cell.stdout == "name? "
    assert cell.result == r'("Ada\n", ["one", "zwölf"])'


def test_a_prompt_and_a_password(kernel):
    cell = kernel.send('(sconce::input("name: ")?, sconce::password("key: ")?)', allow_stdin=True)
    asked = [content for _, content in answer(kernel, "Ada", "secret")]
    assert asked == [{"prompt": "name: ", "password": False}, {"prompt": "key: ", "password": True}]
    assert kernel.finish(cell).result == '("Ada", "secret")'


@pytest.mark.parametrize("code", ['sconce::input("name")?', "std::io::stdin().lines().next().unwrap()?"])
def test_without_stdin_the_error_says_so(kernel, code):
    cell = kernel.run(code, allow_stdin=False)
    assert cell.status == "error"
    assert "nobody can answer" in cell.error and "`allow_stdin` is false" in cell.error


def test_an_interrupt_ends_the_wait(kernel):
    assert kernel.value("let kept = 5; kept") == "5"
    for code in ('sconce::input("name")?;', "std::io::stdin().lines().next();\nloop {}"):
        cell = kernel.send(code, allow_stdin=True)
        kernel.client.get_stdin_msg(timeout=TIMEOUT)
        kernel.interrupt_by_message()
        cell = kernel.finish(cell)
        assert cell.reply["ename"] == "Interrupted", cell.error
    # The answer to a question that nobody waits for any more goes nowhere.
    kernel.client.input("late")
    cell = kernel.send('sconce::input("again")?', allow_stdin=True)
    answer(kernel, "in time")
    assert kernel.finish(cell).result == '"in time"'
    assert kernel.value("kept") == "5"


def test_a_client_that_goes_away_leaves_no_cell_waiting(kernel):
    kernel.value("1")
    gone = kernel.manager.client()
    # A manager's clients share its session, and with that the identity that a question is sent to.
    gone.session.session = new_id()
    gone.start_channels()
    gone.wait_for_ready(timeout=TIMEOUT)
    cell = gone.execute('sconce::input("name")?', allow_stdin=True)
    gone.get_stdin_msg(timeout=TIMEOUT)
    gone.stop_channels()
    errors = []

    def failed():
        message = kernel.client.get_iopub_msg(timeout=TIMEOUT)
        if message["msg_type"] == "error" and message["parent_header"]["msg_id"] == cell:
            errors.append(message["content"]["evalue"])
        return errors

    wait_until(failed, "the error of the cell that asked")
    assert "the client that was asked is gone" in errors[0]
    assert kernel.value("2") == "2"

"""Cells over the real protocol."""

import pytest

from conftest import wait_until


def test_kernel_info(kernel):
    kernel.client.kernel_info()
    info = kernel.client.get_shell_msg(timeout=10)["content"]
    assert info["implementation"] == "sconce"
    assert info["language_info"]["name"] == "rust"
    assert info["language_info"]["version"].count(".") == 2


def test_gradients_over_cells(kernel):
    # Two variables of two cells must not take each other's gradient.
    assert kernel.run("use candle_core::{Device, Tensor, Var};").error is None
    assert kernel.run("let a = Var::new(2f32, &Device::Cpu)?;").error is None
    assert kernel.run("let b = Var::new(3f32, &Device::Cpu)?;").error is None
    cell = kernel.run(
        "let gradients = (a.as_tensor() * b.as_tensor())?.backward()?;\n"
        "let of = |v: &Var| gradients.get(v).map(|g| g.to_scalar::<f32>());\n"
        'println!("{} {}", of(&a).unwrap()?, of(&b).unwrap()?);'
    )
    assert cell.error is None
    assert cell.stdout == "3 2\n"


def test_counts_results_and_order(kernel):
    assert kernel.value("1 + 1") == "2"
    cell = kernel.run('print!("a"); eprintln!("b"); println!("c"); 7')
    kinds = [kind for _, kind, _ in cell.messages]
    assert kinds[:2] == ["status", "execute_input"] and kinds[-2:] == ["execute_result", "status"]
    assert cell.stdout == "ac\n" and cell.stream("stderr") == "b\n"
    assert cell.of_type("execute_input")[0]["execution_count"] == 2
    assert cell.of_type("execute_result")[0]["execution_count"] == 2
    assert cell.reply["execution_count"] == 2
    assert kernel.run("let x = 5;").result is None
    assert kernel.value("x") == "5"


def test_streams_come_before_the_cell_ends(kernel):
    kernel.run("")
    cell = kernel.run(
        'print!("half"); std::thread::sleep(std::time::Duration::from_millis(1500)); println!(" whole");'
    )
    arrivals = [time for time, kind, _ in cell.messages if kind == "stream"]
    end = cell.messages[-1][0]
    assert cell.of_type("stream")[0]["text"] == "half"
    assert end - arrivals[0] > 1.2
    assert cell.stdout == "half whole\n"


def test_update_display(kernel):
    cell = kernel.run(
        "use sconce_display::Bundle;\n"
        'let shown = sconce_display::display_with_id(Bundle::text("0 %").html("<b>0 %</b>"));\n'
        'shown.update(Bundle::text("100 %"));'
    )
    assert cell.error is None
    (display,), (update,) = cell.of_type("display_data"), cell.of_type("update_display_data")
    assert display["data"] == {"text/plain": "0 %", "text/html": "<b>0 %</b>"}
    assert update["data"] == {"text/plain": "100 %"}
    assert display["transient"]["display_id"] == update["transient"]["display_id"]
    # The handle is a variable like any other, and works in later cells.
    cell = kernel.run('shown.update(Bundle::text("again"));')
    (later,) = cell.of_type("update_display_data")
    assert later["transient"] == display["transient"]
    cell = kernel.run("sconce_display::clear(sconce_display::Wait::ForNext);")
    assert cell.of_type("clear_output") == [{"wait": True}]


def test_errors_and_what_they_keep(kernel):
    kernel.run("let x = vec![1, 2, 3]; let y = 4;")
    wrong = kernel.run("let z: String = x.len();")
    assert wrong.status == "error" and "E0308" in wrong.error
    assert wrong.of_type("error")[0]["ename"] == wrong.reply["ename"]
    panicked = kernel.run('let w = x.len(); panic!("no {w}");')
    assert panicked.status == "error" and "no 3" in panicked.error
    failed = kernel.run('"seven".parse::<i32>()?;')
    assert failed.status == "error" and "invalid digit" in failed.error
    assert kernel.value("(x.len(), y)") == "(3, 4)"


def test_an_error_aborts_the_queue(kernel):
    kernel.run("")
    sent = [kernel.send(code) for code in ('panic!("stop")', "1", "2")]
    cells = [kernel.finish(msg_id) for msg_id in sent]
    assert [cell.status for cell in cells] == ["error", "aborted", "aborted"]
    assert kernel.value("3") == "3"


def test_is_complete(kernel):
    def ask(code):
        kernel.client.is_complete(code)
        return kernel.client.get_shell_msg(timeout=10)["content"]

    assert ask("let x = 1;")["status"] == "complete"
    incomplete = ask("fn f() {")
    assert incomplete["status"] == "incomplete" and incomplete["indent"].strip() == ""
    assert ask("fn f() { ) }")["status"] == "invalid"


@pytest.mark.parametrize("how", ["interrupt_by_message", "interrupt_by_signal"])
def test_interrupt_keeps_variables(kernel, how):
    kernel.run("let kept = vec![1, 2, 3]; let mut turns = 0u64;")

    def interrupt(kind, content):
        if kind == "stream":
            getattr(kernel, how)()

    before = kernel.workers()
    cell = kernel.run('println!("runs"); loop { turns = turns.wrapping_add(1); }', on_message=interrupt)
    assert cell.status == "error" and cell.reply["ename"] == "Interrupted"
    assert kernel.value("kept.len()") == "3"
    assert kernel.workers() == before


def test_interrupt_of_an_idle_kernel_does_nothing(kernel):
    kernel.run("let kept = 1;")
    kernel.interrupt_by_signal()
    kernel.interrupt_by_message()
    # The next cell's request goes over another socket: without the reply it could be there first.
    reply = kernel.client.get_control_msg(timeout=10)
    assert reply["msg_type"] == "interrupt_reply"
    assert kernel.value("kept") == "1"


def test_a_second_interrupt_ends_what_the_first_cannot(kernel):
    kernel.run("let lost = 1;")

    def interrupt(kind, content):
        if kind == "stream" and content["name"] == "stdout":
            kernel.interrupt_by_message()
            kernel.interrupt_by_message()

    cell = kernel.run(
        'println!("sleeps"); std::thread::sleep(std::time::Duration::from_secs(600));', on_message=interrupt
    )
    assert cell.status == "error" and "lost" in cell.error
    assert kernel.value("1 + 1") == "2"


@pytest.mark.parametrize(
    "code",
    [
        "std::process::exit(3)",
        "unsafe { std::ptr::null_mut::<u8>().write_volatile(1) }",
        "std::process::abort()",
        "fn deep(n: u64) -> u64 { std::hint::black_box([n; 64]); 1 + deep(n + 1) }\ndeep(0)",
    ],
    ids=["exit", "segfault", "abort", "stack overflow"],
)
def test_a_worker_that_ends(kernel, code):
    kernel.run("let x = 1;")
    cell = kernel.run(code)
    assert cell.status == "error"
    assert kernel.value("1 + 1") == "2"
    # What the worker held is gone, and rustc says so of the name.
    assert "E0425" in kernel.run("x").error


def test_a_worker_that_is_killed(kernel):
    last = kernel.send("let x = 1;")
    kernel.finish(last)
    for worker in kernel.workers():
        worker.kill()
    # The loss is said at once, under the cell that ran last, and the next one works.
    message = kernel.client.get_iopub_msg(timeout=20)
    while message["msg_type"] != "stream":
        message = kernel.client.get_iopub_msg(timeout=20)
    assert message["parent_header"]["msg_id"] == last
    assert "`x` is lost" in message["content"]["text"]
    assert kernel.value("1 + 1") == "2"


def test_a_worker_that_is_killed_in_a_cell(kernel):
    kernel.run("")

    def kill(kind, content):
        if kind == "stream" and content["name"] == "stdout":
            for worker in kernel.workers():
                worker.kill()

    cell = kernel.run('println!("runs"); loop { std::hint::spin_loop() }', on_message=kill)
    assert cell.status == "error"
    assert kernel.value("1 + 1") == "2"


def test_restart_forgets(kernel):
    kernel.run("let x = 1;")
    workers = kernel.workers()
    kernel.client.stop_channels()
    kernel.manager.restart_kernel()
    kernel.connect()
    wait_until(lambda: not any(worker.is_running() for worker in workers), "the old worker's end")
    cell = kernel.run("x")
    assert cell.status == "error" and cell.of_type("execute_input")[0]["execution_count"] == 1


@pytest.mark.parametrize("end", ["shutdown", "terminate", "kill"])
def test_no_worker_outlives_its_kernel(kernel, end):
    kernel.run("")
    kernel.send("loop {}")
    workers, process = kernel.workers(), kernel.process
    assert workers
    if end == "shutdown":
        kernel.client.shutdown()
    else:
        getattr(process, end)()
    wait_until(lambda: not any(worker.is_running() for worker in workers), "the worker's end")
    wait_until(lambda: not kernel.manager.is_alive(), "the kernel's end")


def test_a_million_lines(kernel):
    kernel.run("")
    before = kernel.process.memory_info().rss
    cell = kernel.run('for line in 0..1_000_000 { println!("{line}"); }', timeout=300)
    assert cell.error is None
    assert cell.stdout == "".join(f"{line}\n" for line in range(1_000_000))
    assert len(cell.of_type("stream")) < 20_000
    assert kernel.process.memory_info().rss - before < 50 * 2**20


def test_requests_are_answered_while_a_cell_runs(kernel):
    kernel.run("")
    cell = kernel.send('println!("runs"); loop {}')
    while kernel.client.get_iopub_msg(timeout=20)["msg_type"] != "stream":
        pass
    kernel.client.kernel_info()
    assert kernel.client.get_shell_msg(timeout=20)["msg_type"] == "kernel_info_reply"
    assert kernel.client.is_alive()
    kernel.interrupt_by_message()
    assert kernel.finish(cell).reply["ename"] == "Interrupted"

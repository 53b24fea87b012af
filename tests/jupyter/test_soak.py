"""Many cells in one session."""

CELLS = 1000

# What a session is made of: definitions, variables, text, results, errors.
BEGINNING = "use candle_core::{Device, Tensor};\nlet t = Tensor::arange(0f32, 12., &Device::Cpu)?; let mut total = 0u64;"


def cell(number):
    """The source of a cell, and what it must answer: its result, or a part of its error."""
    kinds = [
        (f"let v_{number % 50} = vec![{number}u64; 100];", None),
        (f"total += {number}; println!(\"{{total}}\");", None),
        (f"fn f_{number % 50}(x: u64) -> u64 {{ x + {number} }}", None),
        (f"f_{(number - 1) % 50}(1)", f"{number}"),
        ("t.sum_all()?.to_scalar::<f32>()?", "66.0"),
        (f"let x: String = {number};", "E0308"),
        (f"for line in 0..20 {{ println!(\"{number} {{line}}\"); }}", None),
        (f"panic!(\"number {number}\")", f"number {number}"),
        ("struct Point { x: f64 }", None),
        ("(Point { x: 0.5 }).x", "0.5"),
    ]
    return kinds[number % len(kinds)]


def mebibytes(kernel):
    return kernel.process.memory_info().rss / 2**20


def test_a_thousand_cells(kernel):
    assert kernel.run(BEGINNING).error is None
    total, sizes = 0, {}
    for number in range(1, CELLS + 1):
        code, wanted = cell(number)
        answer = kernel.run(code)
        assert answer.reply["execution_count"] == number + 1
        if number % 10 in (5, 7):
            assert wanted in answer.error, answer
        else:
            assert answer.status == "ok", answer.error
            assert answer.result == wanted, (code, answer.result)
        if number % 10 == 1:
            total += number
            assert answer.stdout == f"{total}\n"
        if number in (100, CELLS):
            sizes[number] = mebibytes(kernel)
    print("memory of the kernel process in MiB after so many cells:", sizes)
    assert sizes[CELLS] < 1.2 * sizes[100], sizes
    assert kernel.value("v_0.len()") == "100"

"""jupyter_kernel_test, whole."""

import jupyter_kernel_test

from conftest import KERNEL


class TestKernel(jupyter_kernel_test.KernelTests):
    kernel_name = KERNEL
    language_name = "rust"
    file_extension = ".rs"
    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("oops");'
    code_execute_result = [{"code": "6 * 7", "result": "42"}, {"code": '"a".repeat(3)', "result": '"aaa"'}]
    code_generate_error = 'panic!("error");'
    code_display_data = [
        {"code": 'sconce_display::display(sconce_display::Bundle::text("x").html("<b>x</b>"));', "mime": "text/html"},
        {"code": 'sconce_display::display(sconce_display::Bundle::text("x"));', "mime": "text/plain"},
    ]
    code_clear_output = "sconce_display::clear(sconce_display::Wait::No);"
    completion_samples = [{"text": ":cl", "matches": [":clear"]}, {"text": ":tim", "matches": [":timing"]}]
    complete_code_samples = ["1 + 1", "fn f() {}", "let x = 1;"]
    incomplete_code_samples = ["fn f() {", "let x = (1,", '"open']
    invalid_code_samples = ["fn f() { ) }"]
    code_page_something = ":help"
    code_inspect_sample = ":vars"
    supported_history_operations = ("tail", "range", "search")
    code_history_pattern = "6 ?*"


class TestWelcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = KERNEL
    support_iopub_welcome = True

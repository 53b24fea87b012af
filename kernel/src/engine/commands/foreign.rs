//! Commands of the stock kernel that have nothing to do here: what to say instead.

/// What becomes of a command that does nothing.
pub enum Foreign {
    /// The notebook means the same without it: a note.
    Needless(&'static str),
    /// The notebook would show something else: an error.
    Missing(&'static str),
}

use Foreign::{Missing, Needless};

/// The commands, and why they do nothing.
pub const FOREIGN: &[(&str, Foreign)] = &[
    (":preserve_vars_on_panic", Needless("variables always survive a panic")),
    (":sccache", Needless("crates of `:dep` are built once and kept for all notebooks")),
    (":cache", Needless("crates of `:dep` are built once and kept for all notebooks")),
    (":clear_cache", Needless("what was built is in the cache folder that `sconce prepare` names")),
    (":linker", Needless("cells are linked by the C compiler's own linker")),
    (":allow_static_linking", Needless("crates of `:dep` are always linked once, as a dynamic library")),
    (":internal_debug", Needless("there is nothing to debug from inside a notebook")),
    (":load_config", Needless("there is no file of commands that a session begins with")),
    (":time_passes", Needless("`:timing` shows how long cells take")),
    (
        ":toolchain",
        Missing("the toolchain is the one that `rustc` on the PATH stands for when the kernel starts"),
    ),
    (":codegen_backend", Missing("cells are compiled by LLVM")),
    (
        ":fmt",
        Missing(
            "a value is shown by its rich form, else by `Debug`; for another form write `format!(\"{x}\")`",
        ),
    ),
    (":efmt", Missing("an error of `?` is shown with its `Display` and its causes")),
    (":types", Missing("`:type x` and `:vars` show types")),
    (":last_error_json", Missing("errors are shown in rustc's words; `:explain` says more")),
    (":doc", Missing("Shift-Tab in a notebook shows what stands under the cursor")),
    (":quit", Missing("Ctrl-D leaves a console; in a notebook, shut the kernel down in the menu")),
];

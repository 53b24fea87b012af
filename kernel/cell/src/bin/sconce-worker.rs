//! The process that runs cells; all of it lives in the library that cells link to.

fn main() -> std::process::ExitCode {
    sconce_cell::worker_main()
}

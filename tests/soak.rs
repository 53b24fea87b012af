//! A thousand cells in one session of the installed kernel.

#![allow(clippy::unwrap_used)]

#[test]
fn a_thousand_cells_leave_the_kernel_as_small_as_it_was() {
    sconce_tests::python::pytest(&["tests/jupyter/test_soak.py"]).unwrap();
}

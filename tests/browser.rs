//! JupyterLab in a browser, as a person uses it.

#![allow(clippy::unwrap_used)]

#[test]
fn a_person_works_through_the_quickstart_in_jupyterlab_and_every_form_is_shown() {
    sconce_tests::python::pytest(&["tests/browser"]).unwrap();
}

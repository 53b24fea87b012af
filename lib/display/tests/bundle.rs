//! Bundles hold each form once, and interrupts unwind quietly.
#![allow(clippy::unwrap_used)]

use sconce_display::{Bundle, Content, interrupt};

#[test]
fn a_mime_type_stands_once_and_keeps_its_place() {
    let bundle = Bundle::text("old").svg("<svg/>").with("text/plain", Content::Text("new".into()));
    let mimes: Vec<&str> = bundle.forms.iter().map(|(mime, _)| mime.as_str()).collect();
    assert_eq!(mimes, ["text/plain", "image/svg+xml"]);
    assert_eq!(bundle.plain(), Some("new"));
}

#[test]
fn every_form_has_its_mime_type() {
    let bundle =
        Bundle::text("t").html("<b>").png(vec![1]).markdown("*m*").meta("image/png", "{\"width\": 3}");
    let expected = [
        ("text/plain".to_owned(), Content::Text("t".into())),
        ("text/html".to_owned(), Content::Text("<b>".into())),
        ("image/png".to_owned(), Content::Bytes(vec![1])),
        ("text/markdown".to_owned(), Content::Text("*m*".into())),
    ];
    assert_eq!(bundle.forms, expected);
    assert_eq!(bundle.metadata, [("image/png".to_owned(), "{\"width\": 3}".to_owned())]);
}

#[test]
fn only_text_is_plain_text() {
    assert_eq!(Bundle::default().plain(), None);
    assert_eq!(Bundle::default().with("text/plain", Content::Bytes(b"x".to_vec())).plain(), None);
    assert_eq!(Bundle::default().html("x").plain(), None);
}

#[test]
fn an_interrupt_unwinds_once_requested_and_until_reset() {
    interrupt::check();
    interrupt::request();
    assert!(interrupt::requested());
    let caught = std::panic::catch_unwind(interrupt::check).unwrap_err();
    assert!(caught.is::<interrupt::Interrupted>());
    interrupt::reset();
    assert!(!interrupt::requested());
    interrupt::check();
}

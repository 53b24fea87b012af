//! Every form that a value shows itself in: the whole output against kept files, and what must hold for all of them.
//!
//! `INSTA_UPDATE=always` takes over what has changed, pictures too; look at them with the example `forms`.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../../examples/forms/gallery/mod.rs"]
mod gallery;
mod inventory;
mod page;
mod pixels;
mod rules;

use std::sync::LazyLock;

use gallery::FORMS;
use sconce_display::{Bundle, Content};

/// The forms, made once; paths in them are the same on every machine.
static BUNDLES: LazyLock<Vec<(&str, Bundle)>> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("sconce-forms-{}", std::process::id()));
    let bundle = |&(name, make): &(&'static str, fn() -> sconce::Result<Bundle>)| {
        let mut bundle = make().unwrap_or_else(|error| panic!("{name}: {error}"));
        for (_, content) in &mut bundle.forms {
            if let Content::Text(text) = content {
                *text = text.replace(folder.to_str().unwrap(), "FOLDER");
            }
        }
        (name, bundle)
    };
    FORMS.iter().map(bundle).collect()
});

#[test]
fn every_form_is_the_kept_one() {
    for (name, bundle) in BUNDLES.iter() {
        insta::assert_snapshot!(*name, page::written(bundle));
    }
}

#[test]
fn every_png_has_the_kept_pixels() {
    for (name, bundle) in BUNDLES.iter() {
        for (mime, content) in &bundle.forms {
            if let (true, Content::Bytes(png)) = (mime == "image/png", content) {
                pixels::same(name, png);
            }
        }
    }
}

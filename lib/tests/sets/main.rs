//! Files of images and data sets in the layouts of the world: what they hold, and what is wrong with them.
#![allow(clippy::unwrap_used)]

mod broken;
mod coco;
mod fetching;
mod folders;
mod images;
mod layouts;
mod lists;
mod mutate;
mod small;

/// A file of `tests/fixtures/sets`.
fn fixture(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/sets");
    std::fs::read(folder.join(name)).unwrap()
}

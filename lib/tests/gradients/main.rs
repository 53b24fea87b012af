//! Gradients against finite differences, in f64, over random shapes. Every input is tried as it is, as
//! a transposed view and as a broadcast of a smaller tensor.
#![allow(clippy::unwrap_used)]

mod attention;
mod boxes;
mod check;
mod convolution;
#[path = "../gpu/mod.rs"]
mod gpu;
mod losses;
mod norms;
mod pointwise;
mod pooling;
#[path = "../rerun/mod.rs"]
mod rerun;
mod shapes;

#[test]
fn narrower_vectors() {
    rerun::with_narrower_vectors(&[]);
}

#[test]
fn composed_operators() {
    rerun::with_composed_operators(&[]);
}

#[test]
fn on_a_gpu() {
    gpu::again_on_a_gpu(&[]);
}

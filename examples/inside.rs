//! A small network learns handwritten digits, and then shows what it looks at: pictures in a folder.
//!
//! `cargo run --release -p sconce --example inside [-- FOLDER]` writes them to `FOLDER`, `target/inside` if none is said,
//! and prints their text forms. It fails if the maps do not pass their checks.

#![allow(clippy::print_stdout)] // A program for the terminal: its results go to stdout.

use std::path::{Path, PathBuf};

use sconce::explain::{
    CamConfig, DeletionConfig, EmbedConfig, IntegratedGradientsConfig, NeighboursConfig,
    QueryAttentionConfig, QueryChoice, TsneConfig,
};
use sconce::models::DetrConfig;
use sconce::optim::OptimizerConfig;
use sconce::prelude::*;
use sconce::train::Histograms;

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "target/inside".into()));
    std::fs::create_dir_all(&folder).map_err(|source| Error::Io {
        op: "create",
        path: folder.clone(),
        source,
    })?;
    let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
    let test = data.test.clone();
    let model = Model::build([1, 8, 8], |x| {
        let x = x.conv2d(16, 3).batch_norm().relu().named("low");
        let x = x.conv2d(32, 3).batch_norm().relu().named("high");
        x.max_pool2d(2).flatten().linear(10).named("scores")
    })?
    .init(Seed(42), &Device::Cpu)?;
    let optimizer: OptimizerConfig = adamw(3e-3).into();
    let few = data.valid.images()?.narrow(0, 0, 64)?;
    let histograms = Histograms::every(10).activations(&few, &["low", "high"])?;
    let mut learner = Learner::new(model, data).loss(cross_entropy()).optimizer(optimizer).seed(Seed(42));
    learner = learner.callback(histograms.clone());
    learner.fit(8)?;
    histograms.save(folder.join("histograms.svg"))?;
    let net = learner.model()?;

    let images = test.images()?; // (N, 1, 8, 8)
    let image = images.narrow(0, 0, 1)?;

    let cam = explain::grad_cam(net, &image, CamConfig::default().layer("high"))?;
    let class = cam.class().unwrap_or_default();
    let steps = IntegratedGradientsConfig { class: Some(class), ..IntegratedGradientsConfig::default() };
    let integrated = explain::integrated_gradients(net, &image, steps)?;
    for (name, map) in [("grad_cam", &cam), ("integrated_gradients", &integrated)] {
        map.overlay()?.save(folder.join(format!("{name}.svg")))?;
        display(map);
    }
    let curves = explain::deletion_insertion(net, &image, &integrated, DeletionConfig::default())?;
    curves.curves().save(folder.join("deletion.svg"))?;
    display(&curves);
    explain::filters(net, None)?.grid()?.save(folder.join("filters.svg"))?;
    let alike =
        explain::nearest_neighbours(net, &images.narrow(0, 0, 4)?, &images, NeighboursConfig::default())?;
    alike.grid()?.save(folder.join("neighbours.svg"))?;
    display(&explain::activation_statistics(net, &images)?);

    let points = explain::embed(net, &images, EmbedConfig::default())?;
    let points = points.classes(&test.labels()?, test.class_names())?;
    points.pca(2)?.scatter().save(folder.join("pca.svg"))?;
    let plane = points.tsne(TsneConfig::default())?;
    plane.scatter().save(folder.join("tsne.svg"))?;
    display(&plane);
    let kept = points.trustworthiness(plane.points(), 5)?;
    queries(&folder)?;
    println!("pictures are in {}", folder.display());

    let complete = integrated.completeness().map_or(f64::INFINITY, |completeness| completeness.error());
    if complete > 0.05 {
        return Err(wrong("attributions that add up to 5 %", &format!("an error of {complete}")));
    }
    if kept < 0.9 {
        return Err(wrong("a plane that keeps neighbours, 0.9 of 1", &kept.to_string()));
    }
    if curves.deletion_area() >= curves.insertion_area() {
        return Err(wrong("less area under deletion than under insertion", &format!("{curves:?}")));
    }
    Ok(())
}

/// Where the queries of a detector look that has learnt nothing yet: anywhere.
fn queries(folder: &Path) -> Result<()> {
    let net = DetrConfig::small([3, 64, 64]).architecture()?.init(Seed(1), &Device::Cpu)?;
    let image = Tensor::randn(0_f32, 1.0, (3, 64, 64), &Device::Cpu)?;
    let config = QueryAttentionConfig { queries: QueryChoice::These(vec![0, 1, 2]), ..Default::default() };
    let seen = explain::query_attention(&net, &image, config)?;
    display(&seen);
    seen.grid()?.save(folder.join("queries.svg"))
}

fn wrong(expected: &str, got: &str) -> Error {
    Error::Argument {
        op: "inside".into(),
        expected: expected.into(),
        got: got.into(),
        hint: "The last change to the library made its maps worse.".into(),
    }
}

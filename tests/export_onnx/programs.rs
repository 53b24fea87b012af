//! The programs that are written around models: what they say of their inputs.

use std::path::Path;

use sconce::compress::{QuantizeConfig, quantize};
use sconce::export::{self, Check, Exportable, Metadata, ProgramConfig, RunsOn};
use sconce::nn::Mode;
use sconce::prelude::*;
use sconce_tests::onnxruntime;

use crate::{LIBRARY, filled, formula, zoo};

#[path = "../../lib/src/export/program/candle.txt"]
#[allow(dead_code, clippy::print_stdout)] // The test asks for what it would print.
mod candle_program;

/// The program is built, with the versions of this workspace, and says of an image what the model says.
#[test]
fn a_program_of_its_own_says_the_same() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let model =
        Model::build([3, 12, 10], |x| x.conv2d(8, 3).batch_norm().relu().global_avg_pool().linear(3))?
            .init(Seed(7), &Device::Cpu)?;
    let model = filled(model)?;
    let (mean, std) = ([0.5, 0.25, 0.125], [0.25, 0.5, 0.125]);
    let metadata = Metadata::default().classes(&["ant", "\"bee\"", "c\u{e4}t"]).normalized(&mean, &std);
    export::rust_program(&model, folder.path(), &metadata)?;
    let pixels: Vec<u8> = (0..12 * 10 * 3).map(|at: u32| (at * 37 % 251) as u8).collect();
    let picture = image::RgbImage::from_raw(10, 12, pixels.clone()).unwrap();
    picture.save(folder.path().join("picture.png")).unwrap();
    let values: Vec<f32> = pixels.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
    let x = Tensor::from_vec(values, (1, 12, 10, 3), &Device::Cpu)?.permute((0, 3, 1, 2))?.contiguous()?;
    let channels = |values: [f32; 3]| Tensor::new(&values, &Device::Cpu)?.reshape((1, 3, 1, 1));
    let x = x.broadcast_sub(&channels(mean)?)?.broadcast_div(&channels(std)?)?;
    let wanted = sconce::ops::softmax(&model.forward(&x, Mode::Eval)?, 1)?.squeeze(0)?.to_vec1::<f32>()?;

    tells(&said_by_program(folder.path(), &["picture.png"]), &metadata.classes, &wanted);

    // One of an image of one channel, features and tokens, with an output that has no classes before the other.
    let model = filled(zoo::image_and_numbers()?)?;
    let metadata = Metadata::default().classes(&["one", "two", "three"]);
    export::rust_program(&model, folder.path(), &metadata)?;
    let grey: Vec<u8> = pixels.into_iter().take(6 * 5).collect();
    image::GrayImage::from_raw(5, 6, grey.clone()).unwrap().save(folder.path().join("picture.png")).unwrap();
    let grey: Vec<f32> = grey.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
    let inputs = [
        Tensor::from_vec(grey, (1, 1, 6, 5), &Device::Cpu)?,
        Tensor::new(&[[0.5_f32, -1.0, 0.25, 2.0]], &Device::Cpu)?,
        Tensor::new(&[[[1.0_f32, 2.0], [-0.5, 0.0], [0.75, -3.0]]], &Device::Cpu)?,
    ];
    let scores = model.forward_inputs(&inputs.each_ref(), Mode::Eval)?;
    let wanted = sconce::ops::softmax(&scores, 1)?.squeeze(0)?.to_vec1::<f32>()?;
    let said = said_by_program(folder.path(), &["picture.png", "0.5,-1,0.25,2", "1,2, -0.5,0, 0.75,-3"]);
    tells(said.split("gates").next().unwrap(), &metadata.classes, &wanted);
    Ok(())
}

/// The program on candle is the very source that this test is built with, which would take too long by itself.
#[test]
fn a_program_on_candle_says_the_same() -> Result<()> {
    let root = sconce_tests::root();
    let cpu = Device::Cpu;
    let metadata = Metadata::default().classes(&["one", "two", "three"]).normalized(&[0.5], &[0.25]);
    let config = ProgramConfig { on: RunsOn::Candle { sconce: root.join("lib") }, metadata };
    let mixed = filled(zoo::image_and_numbers()?)?;
    let net = Model::build([1, 6, 5], |x| x.conv2d(4, 3).relu().flatten().linear(3))?.init(Seed(3), &cpu)?;
    let net = filled(net)?;
    let calibration = [formula::images(&[16, 1, 6, 5], &cpu)?];
    let whole = quantize(&net, &calibration, &QuantizeConfig::default())?;
    let grey: Vec<u8> = (0..6 * 5).map(|at: u32| (at * 37 % 251) as u8).collect();
    let values: Vec<f32> = grey.iter().map(|&pixel| (f32::from(pixel) / 255.0 - 0.5) / 0.25).collect();
    let image = Tensor::from_vec(values, (1, 1, 6, 5), &cpu)?;
    let others = [
        Tensor::new(&[[0.5_f32, -1.0, 0.25, 2.0]], &cpu)?,
        Tensor::new(&[[[1.0_f32, 2.0], [-0.5, 0.0], [0.75, -3.0]]], &cpu)?,
    ];
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("picture.png");
    image::GrayImage::from_raw(5, 6, grey).unwrap().save(&picture).unwrap();
    let picture = picture.to_str().unwrap().to_owned();
    let all = [picture.clone(), "0.5,-1,0.25,2".into(), "1,2, -0.5,0, 0.75,-3".into()];
    let of_mixed = mixed.forward_inputs(&[&image, &others[0], &others[1]], Mode::Eval)?;
    for (model, arguments, wanted) in [
        (&mixed as &dyn Exportable, &all[..], of_mixed),
        (&net, &all[..1], net.forward(&image, Mode::Eval)?),
        (&whole, &all[..1], whole.model.forward(&image)?),
    ] {
        let report = export::rust_program_with(model, folder.path(), &config)?;
        assert!(matches!(report.check, Check::Ran { .. }), "{report}");
        let said = candle_program::answer(folder.path(), arguments).unwrap();
        let wanted = sconce::ops::softmax(&wanted, 1)?.squeeze(0)?.to_vec1::<f32>()?;
        tells(said.split("gates").next().unwrap(), &config.metadata.classes, &wanted);
        let error = candle_program::answer(folder.path(), &[]).unwrap_err().to_string();
        assert!(error.contains("an argument for each of"), "{error}");
    }
    let main = std::fs::read_to_string(folder.path().join("src/main.rs")).unwrap();
    assert_eq!(main, include_str!("../../lib/src/export/program/candle.txt"));
    // Its manifest stands on its own and names the crate where it is.
    std::fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    let mut cargo = sconce_tests::cargo();
    let output =
        cargo.current_dir(folder.path()).args(["tree", "--offline", "--depth", "1"]).output().unwrap();
    let tree = sconce_tests::stdout(&output);
    assert!(output.status.success() && tree.contains("sconce v"), "{tree}{}", sconce_tests::stderr(&output));
    // The repository is not the crate.
    for place in [folder.path().join("src"), sconce_tests::root()] {
        let nowhere = ProgramConfig { on: RunsOn::Candle { sconce: place }, ..config.clone() };
        let error = export::rust_program_with(&net, folder.path(), &nowhere).unwrap_err().to_string();
        assert!(error.contains("the folder of the crate sconce"), "{error}");
    }
    Ok(())
}

/// What the program in a folder says of these arguments, run there.
fn said_by_program(folder: &Path, arguments: &[&str]) -> String {
    let root = sconce_tests::root();
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let mut cargo = sconce_tests::cargo();
    cargo.current_dir(folder).args(["run", "--quiet", "--"]).args(arguments);
    cargo.env("CARGO_TARGET_DIR", root.join("target/exported-program"));
    let output = cargo.env(LIBRARY, onnxruntime::library().unwrap()).output().unwrap();
    let (said, wrong) = (sconce_tests::stdout(&output), sconce_tests::stderr(&output));
    assert!(output.status.success(), "{said}{wrong}");
    assert!(!wrong.contains("warning"), "{wrong}");
    said
}

/// Whether these shares of classes are told, all of some size.
fn tells(said: &str, classes: &[String], wanted: &[f32]) {
    let mut told: Vec<f32> = Vec::new();
    for (name, wanted) in classes.iter().zip(wanted) {
        let line = said.lines().find(|line| line.ends_with(&format!("%  {name}"))).unwrap();
        let share: f32 = line.split('%').next().unwrap().trim().parse().unwrap();
        assert!((share / 100.0 - wanted).abs() < 2e-5, "{name}: {share} %, not {wanted}");
        told.push(share);
    }
    assert!(told.iter().all(|&share| share > 0.01), "{told:?}: a test of nothing");
}

//! Weights into models.

use candle_core::{Device, Tensor};
use sconce::nn::{Conv2dConfig, Loading, Model, Value};
use sconce::{Result, Seed};

use crate::fixture;

/// The network of `make.py`, for so many classes.
fn net(classes: usize) -> Result<Model> {
    let net = Model::build([1, 4, 4], |x| {
        let x = stem(&x).batch_norm().named("norm").relu();
        x.flatten().linear(classes).named("head")
    })?;
    net.init(Seed(3), &Device::Cpu)
}

fn stem(x: &Value) -> Value {
    x.conv2d_with(3, Conv2dConfig::default()).named("stem")
}

fn state(net: &Model, name: &str) -> Result<Vec<f32>> {
    let state = net.state()?;
    let tensor = state.into_iter().find(|(found, _)| found == name).unwrap().1;
    Ok(tensor.flatten_all()?.to_vec1()?)
}

#[test]
fn what_pytorch_wrote_comes_into_a_model_whatever_its_form() -> Result<()> {
    for name in ["net.pth", "net_legacy.pth", "training.pth"] {
        let net = net(2)?;
        let report = net.load(fixture(name), Loading::Strict)?;
        assert_eq!(report.loaded.len(), 8, "{name}");
        assert!(report.missing.is_empty() && report.unexpected.is_empty() && report.converted.is_empty());
        assert_eq!(report.spelling, None);
        // What PyTorch prints of them.
        assert_eq!(state(&net, "stem.weight")?[..2], [-0.002_495_607, 0.178_814_53]);
        assert_eq!(state(&net, "head.bias")?, [0.193_552_73, -0.169_972_58]);
        assert_eq!(state(&net, "norm.running_mean")?, [1.0, 2.0, 3.0]);
    }
    Ok(())
}

#[test]
fn halves_become_f32_and_the_report_says_so() -> Result<()> {
    let net = net(2)?;
    let report = net.load(fixture("net_half.pth"), Loading::Strict)?;
    assert_eq!(report.converted.into_iter().collect::<Vec<_>>(), [("F16".to_owned(), 8)]);
    assert_eq!(state(&net, "stem.weight")?[1], 0.178_833_01);
    let report = net.load(fixture("net_half.pth"), Loading::Strict)?;
    assert!(report.text().contains("8 of them were F16 and are now F32"), "{}", report.text());
    Ok(())
}

#[test]
fn a_head_for_other_classes_is_left_as_it_is() -> Result<()> {
    let net = net(5)?;
    let before = state(&net, "head.weight")?;
    let error = net.load(fixture("net.pth"), Loading::Strict).unwrap_err().to_string();
    assert!(
        error.contains(
            "expected the 8 tensors of this model, got different head.weight: F32 (2, 12) instead of F32 (5, 12), \
             head.bias: F32 (2) instead of F32 (5)"
        ) && error.contains("Loading::Partial"),
        "{error}"
    );
    assert_ne!(state(&net, "norm.running_mean")?, [1.0, 2.0, 3.0]);

    let report = net.load(fixture("net.pth"), Loading::Partial)?;
    assert_eq!(report.loaded.len(), 6);
    let different: Vec<_> =
        report.mismatched.iter().map(|m| (m.name.as_str(), m.model.as_slice(), m.file.as_str())).collect();
    assert_eq!(different, [("head.weight", &[5, 12][..], "F32 (2, 12)"), ("head.bias", &[5][..], "F32 (2)")]);
    assert_eq!(state(&net, "head.weight")?, before);
    assert_eq!(state(&net, "norm.running_mean")?, [1.0, 2.0, 3.0]);
    let text = report.text();
    assert!(text.contains("head.weight  different  (5, 12)  F32 (2, 12)"), "{text}");
    Ok(())
}

#[test]
fn missing_and_unexpected_names_are_told() -> Result<()> {
    let other = Model::build([1, 4, 4], |x| stem(&x).flatten().linear(2).named("classifier"))?;
    let other = other.init(Seed(0), &Device::Cpu)?;
    let report = other.load(fixture("net.pth"), Loading::Partial)?;
    assert_eq!(report.loaded, ["stem.weight", "stem.bias"]);
    assert_eq!(report.missing, ["classifier.weight", "classifier.bias"]);
    // `norm.num_batches_tracked` is not worth a word.
    let unexpected =
        ["head.bias", "head.weight", "norm.bias", "norm.running_mean", "norm.running_var", "norm.weight"];
    assert_eq!(report.unexpected, unexpected);
    // Nothing at all fits: that is no partial success.
    let foreign =
        Model::build([1, 4, 4], |x| x.flatten().linear(2).named("x"))?.init(Seed(0), &Device::Cpu)?;
    let error = foreign.load(fixture("net.pth"), Loading::Partial).unwrap_err().to_string();
    assert!(error.contains("none of them: missing x.weight, x.bias"), "{error}");
    Ok(())
}

#[test]
fn whole_numbers_are_no_weights() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.safetensors");
    let net = Model::build([1, 1, 2], |x| x.flatten().linear(1).named("x"))?.init(Seed(0), &Device::Cpu)?;
    let weight = Tensor::new(&[[1_i64, 2]], &Device::Cpu)?;
    let bias = Tensor::new(&[1_f32], &Device::Cpu)?;
    let tensors = [("x.weight".to_owned(), weight), ("x.bias".to_owned(), bias)];
    candle_core::safetensors::save(&tensors.into_iter().collect(), &path)?;
    let error = net.load(&path, Loading::Strict).unwrap_err().to_string();
    assert!(error.contains("different x.weight: I64 (1, 2) instead of F32 (1, 2)"), "{error}");
    Ok(())
}

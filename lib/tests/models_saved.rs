//! Models with their description: saved, opened, and what is refused; published weights without a network.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::Command;

use candle_core::{DType, Device, Tensor};
use sconce::models::{self, ModelConfig, PretrainedConfig, SavedModel};
use sconce::nn::Mode;
use sconce::{Result, Seed};

fn config() -> ModelConfig {
    ModelConfig::default().num_classes(2).image([1, 20, 24])
}

fn saved() -> Result<SavedModel> {
    let net = models::create("lenet", config())?.init(Seed(4), &Device::Cpu)?;
    let classes = vec!["cat".to_owned(), "dog".to_owned()];
    Ok(SavedModel { net, name: "lenet".into(), config: config(), classes })
}

#[test]
fn a_model_is_opened_again_from_its_two_files() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pets.safetensors");
    let model = saved()?;
    model.save(&path)?;
    let mut names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["pets.json", "pets.safetensors"]);
    let opened = models::open(&path, &Device::Cpu)?;
    assert_eq!((opened.name.as_str(), opened.config), ("lenet", config()));
    assert_eq!(opened.classes, ["cat", "dog"]);
    let x = Tensor::ones((2, 1, 20, 24), DType::F32, &Device::Cpu)?;
    let logits = |model: &SavedModel| -> Result<Vec<Vec<f32>>> {
        Ok(model.net.forward(&x, Mode::Eval)?.to_vec2::<f32>()?)
    };
    assert_eq!(logits(&opened)?, logits(&model)?);
    Ok(())
}

#[test]
fn what_could_not_be_opened_is_not_saved() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pets.safetensors");
    let refused = |change: &dyn Fn(&mut SavedModel)| -> Result<String> {
        let mut model = saved()?;
        change(&mut model);
        let error = model.save(&path).unwrap_err().to_string();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        Ok(error)
    };
    let wrong_classes = refused(&|model| model.config = model.config.num_classes(3))?;
    assert!(
        wrong_classes.contains("fc3.weight (3, 84)") && wrong_classes.contains("(2, 84)"),
        "{wrong_classes}"
    );
    let wrong_name = refused(&|model| model.name = "lenett".into())?;
    assert!(wrong_name.contains("lenet"), "{wrong_name}");
    let names = refused(&|model| model.classes.push("bird".into()))?;
    assert!(names.contains("names of 2 classes") && names.contains("3 names"), "{names}");
    let ending = saved()?.save(folder.path().join("pets.pth")).unwrap_err().to_string();
    assert!(ending.contains(".safetensors"), "{ending}");
    Ok(())
}

#[test]
fn files_that_do_not_fit_are_refused() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pets.safetensors");
    let json = folder.path().join("pets.json");
    saved()?.save(&path)?;
    let good = fs::read_to_string(&json).unwrap();
    let refused = |text: &str| {
        fs::write(&json, text).unwrap();
        models::open(&path, &Device::Cpu).unwrap_err().to_string()
    };
    for (text, named) in [
        (good.replace("\"num_classes\": 2", "\"num_classes\": 3"), "fc3.weight"),
        (good.replace("\"lenet\"", "\"lanet\""), "Did you mean"),
        (good.replace("\"sconce\": 1", "\"sconce\": 2"), "version 2"),
        (good[..good.len() / 2].to_owned(), "EOF"),
        (good.replace("\"classes\"", "\"kinds\""), "kinds"),
        (String::new(), "pets.json"),
    ] {
        let error = refused(&text);
        assert!(error.contains(named), "{named}: {error}");
    }
    fs::remove_file(&json).unwrap();
    assert!(models::open(&path, &Device::Cpu).unwrap_err().to_string().contains("pets.json"));
    Ok(())
}

/// Run by the test below without a network.
#[test]
#[ignore = "another test runs it with the network forbidden"]
fn offline_says_what_to_put_where() {
    let folder = tempfile::tempdir().unwrap();
    let from = PretrainedConfig { folder: Some(folder.path().join("new")), ..PretrainedConfig::default() };
    let error = models::pretrained_with("resnet18", ModelConfig::default(), &Device::Cpu, &from).unwrap_err();
    let error = error.to_string();
    let place = folder.path().join("new").join("resnet18-f37072fd.pth");
    for part in ["SCONCE_OFFLINE", "https://download.pytorch.org/models/resnet18-f37072fd.pth", "f37072fd)"] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    assert!(error.contains(place.to_str().unwrap()), "{error}");
    assert!(!folder.path().join("new").exists(), "a folder was made for nothing");
}

#[test]
fn without_a_network_nothing_is_asked_for() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "offline_says_what_to_put_where", "--include-ignored"])
        .env("SCONCE_OFFLINE", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

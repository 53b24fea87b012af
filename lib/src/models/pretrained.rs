use std::path::PathBuf;

use candle_core::Device;

use super::config::ModelConfig;
use super::published::PublishedWeights;
use super::registry::{ModelEntry, entry};
use crate::download::{Checksum, Remote};
use crate::nn::{LoadReport, Loading, Model};
use crate::{Error, Result, Seed};

/// The environment variable that names the folder of fetched weights.
const FOLDER: &str = "SCONCE_WEIGHTS";
/// More than any file of weights of an architecture here has.
const MOST_BYTES: u64 = 8 << 30;

/// A model with weights that others have trained. Made by [`pretrained`].
#[derive(Debug, Clone)]
pub struct Pretrained {
    /// The model.
    pub net: Model,
    /// Where the weights are from, which classes they know, and how images are prepared for them.
    pub weights: &'static PublishedWeights,
    /// What came from the file, and what not: the head, where you chose another number of classes.
    pub report: LoadReport,
}

/// Where fetched weights are kept, and which are taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PretrainedConfig {
    /// Which of the published weights, by [`PublishedWeights::name`]; the first of the architecture's if `None`.
    pub weights: Option<String>,
    /// The folder of fetched files. If `None`: what the environment variable `SCONCE_WEIGHTS` says, or else
    /// `sconce/weights` in the user's cache folder, `$XDG_CACHE_HOME` or `~/.cache`.
    pub folder: Option<PathBuf>,
    /// Another server to fetch from, in place of the one that published the files: files have the same names there.
    pub mirror: Option<String>,
}

/// The architecture called `name` with the first of its published weights. The file is fetched once, its checksum
/// checked, and kept in the folder that [`PretrainedConfig::folder`] tells; with `SCONCE_OFFLINE=1` in the environment
/// nothing is fetched.
///
/// Where `config` asks for another number of classes than the weights know, the head is left with fresh weights, always
/// the same ones: [`Pretrained::report`] says so.
///
/// ```no_run
/// use sconce::prelude::*;
///
/// let config = models::ModelConfig::default().num_classes(10);
/// let net = models::pretrained("resnet18", config, &Device::Cpu)?.net;
/// # Ok::<(), sconce::Error>(())
/// ```
///
/// # Errors
/// If there is no such architecture or none of its weights are published, the config does not fit it, or the file is
/// neither there nor to be had: the message then says what to fetch by other means and where to put it. If the file's
/// tensors other than the head do not fit. [`Error::Interrupted`]; what has come is kept for the next call.
pub fn pretrained(name: &str, config: ModelConfig, device: &Device) -> Result<Pretrained> {
    pretrained_with(name, config, device, &PretrainedConfig::default())
}

/// [`pretrained`], with other weights or another folder.
///
/// # Errors
/// As [`pretrained`].
pub fn pretrained_with(
    name: &str,
    config: ModelConfig,
    device: &Device,
    from: &PretrainedConfig,
) -> Result<Pretrained> {
    of_entry(entry(name)?, config, device, from)
}

fn of_entry(
    entry: &ModelEntry,
    config: ModelConfig,
    device: &Device,
    from: &PretrainedConfig,
) -> Result<Pretrained> {
    let weights = chosen(entry, from)?;
    let architecture = entry.architecture(config)?;
    let path = place(weights, from)?;
    remote(weights, from).fetch(&path)?;
    let net = architecture.init(Seed(0), device)?;
    let report = net.load(&path, Loading::Partial)?;
    check(entry, &report)?;
    Ok(Pretrained { net, weights, report })
}

fn chosen(entry: &ModelEntry, from: &PretrainedConfig) -> Result<&'static PublishedWeights> {
    let names: Vec<&str> = entry.weights.iter().map(|weights| weights.name).collect();
    let refused = |expected: String, got: &str, hint: &str| Error::Argument {
        op: format!("models::pretrained({:?})", entry.name),
        expected,
        got: got.into(),
        hint: hint.into(),
    };
    let missing = || {
        let hint = "models::create builds it with fresh weights; models::list() shows which are published.";
        refused("an architecture whose weights are published".into(), "one that has none", hint)
    };
    match &from.weights {
        None => entry.weights.first().ok_or_else(missing),
        Some(name) => entry.weights.iter().find(|weights| weights.name == name).ok_or_else(|| {
            if names.is_empty() {
                missing()
            } else {
                refused(format!("one of {}", names.join(", ")), name, "")
            }
        }),
    }
}

/// The file's own name, or for the hub, where all are called alike, with what it is of before it.
fn file_name(weights: &PublishedWeights) -> String {
    let path = weights.url.split_once("://").map_or(weights.url, |(_, path)| path);
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["huggingface.co", owner, repository, "resolve", _, rest @ ..] => {
            format!("{owner}--{repository}--{}", rest.join("--"))
        }
        [.., name] => (*name).to_owned(),
        [] => String::new(),
    }
}

fn place(weights: &PublishedWeights, from: &PretrainedConfig) -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = from.folder.clone().or_else(|| variable(FOLDER)).or_else(|| {
        let cache = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let cache = cache.or_else(|| variable("HOME").map(|home| home.join(".cache")));
        cache.map(|cache| cache.join("sconce").join("weights"))
    });
    folder.map(|folder| folder.join(file_name(weights))).ok_or_else(|| Error::Argument {
        op: "models::pretrained".into(),
        expected: "a folder for fetched weights".into(),
        got: "no home folder".into(),
        hint: format!("Set {FOLDER}, or PretrainedConfig::folder."),
    })
}

fn remote(weights: &PublishedWeights, from: &PretrainedConfig) -> Remote {
    let checksum = weights.sha256_start().map(|digits| Checksum::Sha256Start(digits.to_owned()));
    let url = match &from.mirror {
        Some(mirror) => format!("{}/{}", mirror.trim_end_matches('/'), file_name(weights)),
        None => weights.url.to_owned(),
    };
    Remote { max_bytes: MOST_BYTES, ..Remote::new(&url, checksum) }
}

/// Only the head may be of another form than in the file. Parts of the file that a model was built without are left.
fn check(entry: &ModelEntry, report: &LoadReport) -> Result<()> {
    let of_head = |name: &str| {
        entry.head.iter().any(|head| name.strip_prefix(head).is_some_and(|rest| rest.starts_with('.')))
    };
    let mut wrong: Vec<String> = report.missing.iter().map(|name| format!("{name}: missing")).collect();
    let different = report.mismatched.iter().filter(|mismatch| !of_head(&mismatch.name));
    wrong.extend(different.map(|mismatch| {
        format!("{}: {} instead of {}", mismatch.name, mismatch.file, crate::ops::shape_text(&mismatch.model))
    }));
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::Format {
        path: report.path.clone(),
        expected: format!("all tensors of {} but its head", entry.name),
        got: crate::tensor_file::list("", &wrong).trim_start().to_owned(),
        hint: "Images of another size or number of channels need other weights: keep the published ones, or take \
               over what fits with `Model::load` and `Loading::Partial`."
            .into(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;
    use std::path::Path;

    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::models::{Accuracy, ClassList};
    use crate::nn::Mode;

    /// A server that gives everybody the same file. Its address.
    fn serve(file: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", file.len());
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&file));
            }
        });
        address
    }

    /// `name` as an architecture whose weights are published at `url`.
    fn published(name: &str, url: String) -> ModelEntry {
        let mut entry = *entry(name).unwrap();
        let weights = PublishedWeights {
            name: "TEST",
            url: Box::leak(url.into_boxed_str()),
            source: "",
            accuracy: Accuracy::Classification { top1: 0.5, top5: 0.9 },
            classes: ClassList::ImageNet,
            preprocessing: super::super::entry("resnet18").unwrap().weights[0].preprocessing,
        };
        entry.weights = Box::leak(Box::new([weights]));
        entry
    }

    fn config(classes: usize) -> ModelConfig {
        ModelConfig::default().num_classes(classes)
    }

    fn small(classes: usize) -> Model {
        entry("lenet").unwrap().architecture(config(classes)).unwrap().init(Seed(7), &Device::Cpu).unwrap()
    }

    fn from(folder: &Path, mirror: &str) -> PretrainedConfig {
        PretrainedConfig { folder: Some(folder.to_owned()), mirror: Some(mirror.to_owned()), weights: None }
    }

    #[test]
    fn weights_come_once_are_checked_and_fit_other_classes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("small.safetensors");
        let net = small(10);
        net.save(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let digits: String =
            Sha256::digest(&bytes).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let server = serve(bytes);
        let entry = published("lenet", format!("https://nowhere.invalid/lenet-{digits}.safetensors"));
        let cache = folder.path().join("cache");
        let got = of_entry(&entry, config(10), &Device::Cpu, &from(&cache, &server)).unwrap();
        assert!(got.report.missing.is_empty() && got.report.mismatched.is_empty());
        let [channels, height, width] = entry.defaults.image;
        let x =
            candle_core::Tensor::ones((1, channels, height, width), candle_core::DType::F32, &Device::Cpu)
                .unwrap();
        let logits = |net: &Model| net.forward(&x, Mode::Eval).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(logits(&got.net), logits(&net));
        // The second time nobody is asked; other classes leave the head.
        let got = of_entry(&entry, config(3), &Device::Cpu, &from(&cache, "http://nobody.invalid")).unwrap();
        assert_eq!(got.report.mismatched.len(), 2);
        assert!(got.report.mismatched.iter().all(|mismatch| mismatch.name.starts_with(entry.head[0])));
        // Other channels would leave more than the head.
        let other = config(10).image([channels + 1, height, width]);
        let error = of_entry(&entry, other, &Device::Cpu, &from(&cache, &server)).unwrap_err().to_string();
        assert!(error.contains("but its head") && error.contains("other weights"), "{error}");
        // A file that is another one is no weights.
        std::fs::write(cache.join(format!("lenet-{digits}.safetensors")), "something else").unwrap();
        let error =
            of_entry(&entry, config(10), &Device::Cpu, &from(&cache, &serve(vec![1; 9]))).unwrap_err();
        assert!(error.to_string().contains(&format!("SHA-256 starting with {digits}")), "{error}");
    }

    #[test]
    fn what_is_not_published_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |entry: &ModelEntry, from: &PretrainedConfig| {
            of_entry(entry, ModelConfig::default(), &Device::Cpu, from).unwrap_err().to_string()
        };
        let none = refused(entry("lenet").unwrap(), &from(folder.path(), "http://nobody.invalid"));
        assert!(none.contains("pretrained(\"lenet\")") && none.contains("models::create"), "{none}");
        let resnet = entry("resnet18").unwrap();
        let other =
            PretrainedConfig { weights: Some("V9".into()), ..from(folder.path(), "http://nobody.invalid") };
        let other = refused(resnet, &other);
        assert!(other.contains("one of IMAGENET1K_V1") && other.contains("V9"), "{other}");
        let offline = refused(resnet, &from(folder.path(), "http://nobody.invalid"));
        let place = folder.path().join("resnet18-f37072fd.pth");
        assert!(offline.contains("by other means") && offline.contains(place.to_str().unwrap()), "{offline}");
    }

    #[test]
    fn files_of_the_hub_are_told_apart() {
        let url = "https://huggingface.co/facebook/detr-resnet-50/resolve/main/model.safetensors";
        let entry = published("lenet", url.into());
        assert_eq!(file_name(&entry.weights[0]), "facebook--detr-resnet-50--model.safetensors");
        assert_eq!(remote(&entry.weights[0], &PretrainedConfig::default()).urls, [url]);
    }
}

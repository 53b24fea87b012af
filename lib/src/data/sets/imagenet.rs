//! ImageNet's classification set of 2012 (O. Russakovsky et al., *ImageNet large scale visual recognition
//! challenge*, IJCV 2015), as its archives, its devkit or Kaggle lay it out.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::folder::{ImageFolder, ImageFolderConfig};
use super::list::{FileList, Targets};
use super::matlab::{self, Field};
use super::names::Names;
use super::walk::{Open, walk};
use crate::data::dataset::Dataset;
use crate::data::source::Source as _;
use crate::{Error, Result};

const ABOUT: &str =
    "ImageNet, ILSVRC 2012 (Russakovsky et al. 2015); for research, by agreement with its makers.";
/// The devkit's table and the classes of the validation images, in the order of their names.
const TABLE: &str = "meta.mat";
const TRUTH: &str = "ILSVRC2012_validation_ground_truth.txt";

/// ImageNet's two parts and its synsets.
#[derive(Debug, Clone)]
pub struct ImageNet {
    /// What a model learns from.
    pub train: Dataset,
    /// What it is judged by: the 50,000 validation images.
    pub test: Dataset,
    /// The classes, in the order of the labels.
    pub synsets: Vec<Synset>,
}

/// A class of ImageNet: a set of words with one meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synset {
    /// Its number in WordNet, `n01440764`.
    pub wnid: String,
    /// Its words, `tench, Tinca tinca`; its number where no file tells them.
    pub words: String,
}

/// What the files beside the images tell.
#[derive(Default)]
struct Words {
    /// Words by the number in WordNet.
    words: HashMap<String, String>,
    /// Numbers in WordNet by the devkit's own.
    numbers: BTreeMap<u32, String>,
}

/// ImageNet in `root`: `train/n01440764/….JPEG`, and `val` either with a folder for each synset too or with all
/// images beside each other; the latter needs the devkit's `ILSVRC2012_validation_ground_truth.txt` or Kaggle's
/// `LOC_val_solution.csv`. Labels count the synsets in the order of their numbers in WordNet, as published
/// models have them. The names of the classes are the words of the synsets, from the devkit's `meta.mat`,
/// Kaggle's `LOC_synset_mapping.txt` or a `synset_words.txt`; without any, their numbers.
///
/// ImageNet can only be had from [its makers](https://www.image-net.org/download.php), after signing in.
///
/// # Errors
/// When a part, or the file with its classes, is missing or damaged; when they contradict each other.
pub fn imagenet(root: impl AsRef<Path>) -> Result<ImageNet> {
    let root = root.as_ref();
    let images = ["", "Data/CLS-LOC", "ILSVRC/Data/CLS-LOC"].map(|folder| root.join(folder));
    let part = |names: [&str; 2]| {
        images
            .iter()
            .flat_map(|folder| names.map(|name| folder.join(name)))
            .find(|folder| folder.is_dir())
            .ok_or_else(|| wrong(root, &format!("a folder {}", names.join(" or ")), "none".into()))
    };
    let train = ImageFolder::open(part(["train", "ILSVRC2012_img_train"])?, ImageFolderConfig::default())?;
    let wnids = train.class_names().to_vec();
    if let Some(name) = wnids.iter().find(|name| !is_wnid(name)) {
        return Err(wrong(root, "folders of synsets, such as n01440764", format!("`{name}`")));
    }
    let words = read_words(root)?;
    let class_names: Vec<String> =
        wnids.iter().map(|wnid| words.words.get(wnid).unwrap_or(wnid).clone()).collect();
    let synset = |(wnid, words): (&String, &String)| Synset { wnid: wnid.clone(), words: words.clone() };
    let synsets = wnids.iter().zip(&class_names).map(synset).collect();
    let test = validation(root, &part(["val", "ILSVRC2012_img_val"])?, &wnids, &class_names, &words)?;
    let finish = |data: Dataset| data.named("imagenet").described(ABOUT);
    let train = Dataset::from_source(train.renamed(class_names));
    Ok(ImageNet { train: finish(train), test: finish(test), synsets })
}

fn validation(
    root: &Path,
    folder: &Path,
    wnids: &[String],
    class_names: &[String],
    words: &Words,
) -> Result<Dataset> {
    let config = ImageFolderConfig { classes: Some(wnids.to_vec()), ..ImageFolderConfig::default() };
    let (found, _) = walk(folder, vec![Open { class: 0, folder: PathBuf::new() }], &config.endings)?;
    if found.iter().any(|found| found.folder != Path::new("")) {
        let images = ImageFolder::open(folder, config)?;
        return Ok(Dataset::from_source(images.renamed(class_names.to_vec())));
    }
    let files = found.into_iter().next().map(|found| found.names).unwrap_or_default();
    let labels = truth(root, &files, wnids, words)?;
    Ok(Dataset::from_source(FileList {
        root: folder.to_owned(),
        files,
        targets: Targets::One(labels),
        class_names: class_names.to_vec(),
        decode: config.decode,
    }))
}

/// The class of each validation image.
fn truth(root: &Path, files: &Names, wnids: &[String], words: &Words) -> Result<Vec<u32>> {
    let labels: HashMap<&str, u32> =
        wnids.iter().enumerate().map(|(at, wnid)| (wnid.as_str(), at as u32)).collect();
    if let Some(path) = find(root, TRUTH) {
        let text = read(&path)?;
        let numbers: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if numbers.len() != files.len() {
            let got = format!("{} classes for {} images", numbers.len(), files.len());
            return Err(wrong(&path, "a class for each validation image", got));
        }
        return numbers
            .iter()
            .map(|number| {
                let wnid = number.parse().ok().and_then(|number: u32| words.numbers.get(&number));
                wnid.and_then(|wnid| labels.get(wnid.as_str()).copied()).ok_or_else(|| {
                    wrong(
                        &path,
                        &format!("numbers of synsets in {TABLE} with training images"),
                        format!("`{number}`"),
                    )
                })
            })
            .collect();
    }
    let Some(path) = find(root, "LOC_val_solution.csv") else {
        let expected = format!("{TRUTH} of the devkit, or LOC_val_solution.csv");
        return Err(wrong(root, &expected, "neither".into()));
    };
    let text = read(&path)?;
    // Each line is `ILSVRC2012_val_00048981,n03995372 85 1 499 272`: the synset, then boxes.
    let solved: HashMap<&str, &str> = text
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(','))
        .filter_map(|(name, rest)| Some((name.trim(), rest.split_whitespace().next()?)))
        .collect();
    (0..files.len())
        .map(|at| {
            let name =
                Path::new(files.get(at)).file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let label = solved.get(name.as_str()).and_then(|wnid| labels.get(wnid).copied());
            label.ok_or_else(|| {
                wrong(&path, "a known synset for each validation image", format!("none for {name}"))
            })
        })
        .collect()
}

/// A file of that name where the archives put it.
fn find(root: &Path, name: &str) -> Option<PathBuf> {
    let folders =
        ["", "ILSVRC2012_devkit_t12/data", "ILSVRC2012_devkit_t12", "devkit/data", "data", "ILSVRC"];
    folders.iter().map(|folder| root.join(folder).join(name)).find(|path| path.is_file())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|source| Error::Io { op: "read", path: path.to_owned(), source })
}

fn read_words(root: &Path) -> Result<Words> {
    let mut words = Words::default();
    if let Some(path) = find(root, TABLE) {
        read_table(&path, &mut words)?;
    }
    for name in ["LOC_synset_mapping.txt", "synset_words.txt", "words.txt"] {
        let Some(path) = find(root, name) else { continue };
        for line in read(&path)?.lines() {
            if let Some((wnid, text)) = line.split_once([' ', '\t']).filter(|(wnid, _)| is_wnid(wnid)) {
                words.words.entry(wnid.to_owned()).or_insert_with(|| text.trim().to_owned());
            }
        }
    }
    Ok(words)
}

fn read_table(path: &Path, words: &mut Words) -> Result<()> {
    let expected = "the devkit's table with WNID, words and ILSVRC2012_ID";
    let bytes = fs::read(path).map_err(|source| Error::Io { op: "read", path: path.to_owned(), source })?;
    for row in matlab::rows(&bytes).map_err(|problem| wrong(path, expected, problem))? {
        let field = |name: &str| row.iter().find(|(found, _)| found == name).map(|(_, field)| field);
        let (Some(Field::Text(wnid)), Some(Field::Text(text)), Some(Field::Number(number))) =
            (field("WNID"), field("words"), field("ILSVRC2012_ID"))
        else {
            return Err(wrong(path, expected, "a row without one of them".into()));
        };
        words.words.insert(wnid.clone(), text.clone());
        if number.fract() != 0.0 || !(1.0..=f64::from(u32::MAX)).contains(number) {
            return Err(wrong(path, expected, format!("{wnid} with the number {number}")));
        }
        words.numbers.insert(*number as u32, wnid.clone());
    }
    Ok(())
}

fn is_wnid(name: &str) -> bool {
    name.strip_prefix('n')
        .is_some_and(|digits| digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn wrong(path: &Path, expected: &str, got: String) -> Error {
    Error::Format {
        path: path.to_owned(),
        expected: expected.into(),
        got,
        hint:
            "ImageNet's archives and devkit are at https://www.image-net.org/download.php, after signing in."
                .into(),
    }
}

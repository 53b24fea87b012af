//! A folder for each class.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::names::Names;
use super::walk::{Ignored, Open, is_hidden, walk};
use super::{TrainTest, no_such, open_file, placed};
use crate::data::dataset::Dataset;
use crate::data::decode::DecodeConfig;
use crate::data::sample::{Sample, Target};
use crate::data::source::Source;
use crate::{Error, Result};

/// What file names of images end with, unless other endings are told.
const ENDINGS: [&str; 13] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm"];
/// Folders that are parts of a data set and not classes.
const PARTS: [&str; 6] = ["train", "training", "val", "valid", "validation", "test"];

/// How a folder of classes is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFolderConfig {
    /// The classes in the order of their labels, as another part of the data set has them; then a folder of
    /// another name is an error, and one that is missing is a class without images. `None` takes the folders
    /// that are there, in the order of their names.
    pub classes: Option<Vec<String>>,
    /// What names of image files end with, in lower case and without the dot.
    pub endings: Vec<String>,
    /// How images are decoded.
    pub decode: DecodeConfig,
}

impl Default for ImageFolderConfig {
    /// The folders that are there; the usual endings.
    fn default() -> ImageFolderConfig {
        ImageFolderConfig {
            classes: None,
            endings: ENDINGS.map(str::to_owned).to_vec(),
            decode: DecodeConfig::default(),
        }
    }
}

/// Images in a folder for each class, `root/dog/a.jpg`, at any depth below it: the layout of torchvision's
/// `ImageFolder`.
///
/// Classes are numbered in the order of their folders' names; images come by class, and within one in the
/// order of their paths. Links are followed, each folder is read once for a class. A million files take some
/// 30 MB, and no file is opened before it is asked for.
#[derive(Debug)]
pub struct ImageFolder {
    root: PathBuf,
    class_names: Vec<String>,
    folders: Vec<Folder>,
    names: Names,
    ignored: Ignored,
    decode: DecodeConfig,
}

/// Image files of one folder.
#[derive(Debug)]
struct Folder {
    class: u32,
    /// Below the root.
    path: PathBuf,
    /// The number of the first of its files.
    start: usize,
}

impl ImageFolder {
    /// Reads the names of all files below `root`.
    ///
    /// # Errors
    /// When a folder cannot be read; when there is no class or no image; when folders are those of the parts
    /// of a data set (`train`, `val`), which are opened one by one; when a folder is none of the classes that
    /// were told; [`Error::Interrupted`].
    pub fn open(root: impl AsRef<Path>, config: ImageFolderConfig) -> Result<ImageFolder> {
        let root = root.as_ref();
        let (folders, beside) = class_folders(root)?;
        let (class_names, open) = match config.classes {
            None => named_by_folders(root, folders)?,
            Some(classes) => (classes.clone(), named_by_list(root, folders, &classes)?),
        };
        let (found, mut ignored) = walk(root, open, &config.endings)?;
        ignored.add(beside);
        let mut names = Names::default();
        let mut folders = Vec::with_capacity(found.len());
        for found in found {
            folders.push(Folder { class: found.class, path: found.folder, start: names.len() });
            names.append(&found.names);
        }
        names.shrink();
        if names.len() == 0 {
            return Err(Error::Format {
                path: root.to_owned(),
                expected: format!(
                    "image files (.{}) in the folders of the classes",
                    config.endings.join(", .")
                ),
                got: format!("none; {ignored}"),
                hint: "The layout is root/class/image.jpg.".into(),
            });
        }
        Ok(ImageFolder { root: root.to_owned(), class_names, folders, names, ignored, decode: config.decode })
    }

    /// What lay in the folders and is no sample.
    #[must_use]
    pub fn ignored(&self) -> &Ignored {
        &self.ignored
    }

    /// The same images, their classes called otherwise.
    pub(super) fn renamed(self, class_names: Vec<String>) -> ImageFolder {
        ImageFolder { class_names, ..self }
    }

    /// The folder of file `index` and the file's path below the root.
    fn find(&self, index: usize) -> Option<(&Folder, PathBuf)> {
        let after = self.folders.partition_point(|folder| folder.start <= index);
        let folder = self.folders.get(after.checked_sub(1)?).filter(|_| index < self.names.len())?;
        Some((folder, folder.path.join(self.names.get(index))))
    }
}

impl Source for ImageFolder {
    fn len(&self) -> usize {
        self.names.len()
    }

    fn id(&self, index: usize) -> String {
        self.find(index).map_or_else(String::new, |(_, path)| path.to_string_lossy().into_owned())
    }

    fn path(&self, index: usize) -> Option<PathBuf> {
        self.find(index).map(|(_, path)| self.root.join(path))
    }

    fn labels(&self, index: usize) -> Vec<u32> {
        self.find(index).map_or_else(Vec::new, |(folder, _)| vec![folder.class])
    }

    fn target(&self, index: usize) -> Result<Target> {
        let (folder, _) = self.find(index).ok_or_else(|| no_such(index, self.len()))?;
        Ok(Target { labels: vec![folder.class], ..Target::default() })
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        open_file(self, index, self.decode)
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }
}

impl ImageFolder {
    /// The data set, with what was left out in its description.
    #[must_use]
    pub fn into_dataset(self) -> Dataset {
        let name = self.root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let left_out = (self.ignored.count() > 0).then(|| format!("{}.", self.ignored));
        Dataset::from_source(self).named(&name).described(&left_out.unwrap_or_default())
    }
}

/// The images in a folder for each class, `root/dog/a.jpg`; see [`ImageFolder`].
///
/// ```no_run
/// # use sconce::data::datasets;
/// let train = datasets::image_folder("pets/train")?;
/// train.class_names(); // the names of the folders
/// # Ok::<(), sconce::Error>(())
/// ```
///
/// # Errors
/// As [`ImageFolder::open`].
pub fn image_folder(root: impl AsRef<Path>) -> Result<Dataset> {
    Ok(ImageFolder::open(root, ImageFolderConfig::default())?.into_dataset())
}

/// The two parts of a set whose folder holds one for each, `root/train/dog/a.jpg` and `root/val/dog/b.jpg`
/// (or `valid`, `validation`, `test`). Both have the classes of the training part.
///
/// # Errors
/// As [`ImageFolder::open`], when `root/train` is missing, or when there is not exactly one other part.
pub fn image_folders(root: impl AsRef<Path>) -> Result<TrainTest> {
    let root = root.as_ref();
    let others: Vec<&str> = PARTS[2..].iter().copied().filter(|part| root.join(part).is_dir()).collect();
    let &[other] = others.as_slice() else {
        return Err(Error::Format {
            path: root.to_owned(),
            expected: "a folder `train` and one of `val`, `valid`, `validation` and `test`".into(),
            got: if others.is_empty() { "none of these".into() } else { others.join(", ") },
            hint:
                "Open each part with `ImageFolder::open`, and give the others the `class_names` of the first."
                    .into(),
        });
    };
    let train = image_folder(root.join("train"))?;
    let config = ImageFolderConfig { classes: Some(train.class_names().to_vec()), ..Default::default() };
    let test = ImageFolder::open(root.join(other), config)?.into_dataset();
    Ok(TrainTest { train, test })
}

/// The folders directly below the root in order, and the files beside them.
fn class_folders(root: &Path) -> Result<(Vec<OsString>, Ignored)> {
    let io = |source| Error::Io { op: "read", path: root.to_owned(), source };
    let (mut folders, mut beside) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(root).map_err(io)? {
        let entry = entry.map_err(io)?;
        // A link to nothing is no folder.
        let is_folder = || fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir());
        let name = entry.file_name();
        if !is_hidden(&name) && is_folder() { folders.push(name) } else { beside.push(name) }
    }
    folders.sort();
    beside.sort();
    let mut ignored = Ignored::default();
    beside.into_iter().for_each(|name| ignored.add_beside(name));
    if folders.is_empty() {
        return Err(Error::Format {
            path: root.to_owned(),
            expected: "a folder for each class".into(),
            got: format!("no folder; {ignored}"),
            hint: "The layout is root/class/image.jpg; for files with a list of labels take a manifest."
                .into(),
        });
    }
    Ok((folders, ignored))
}

fn named_by_folders(root: &Path, folders: Vec<OsString>) -> Result<(Vec<String>, Vec<Open>)> {
    let names: Vec<String> = folders.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.iter().all(|name| PARTS.contains(&name.to_lowercase().as_str())) {
        return Err(Error::Format {
            path: root.to_owned(),
            expected: "a folder for each class".into(),
            got: format!("the parts {} of a data set", names.join(", ")),
            hint: format!(
                "Open {} and give the other parts its `class_names` as `ImageFolderConfig::classes`, or take \
                 `datasets::image_folders`.",
                root.join(folders.iter().find(|name| *name == "train").unwrap_or(&folders[0])).display()
            ),
        });
    }
    let mut seen = HashMap::new();
    for (name, folder) in names.iter().zip(&folders) {
        // Names that are not UTF-8 are written with replacement characters.
        if let Some(other) = seen.insert(name, folder) {
            return Err(Error::Format {
                path: root.join(folder),
                expected: "folders whose names can be told apart".into(),
                got: format!("another folder, {other:?}, that is written `{name}` too"),
                hint: "Rename one of them to a name in UTF-8.".into(),
            });
        }
    }
    let open = folders.into_iter().enumerate();
    Ok((names, open.map(|(class, name)| Open { class: class as u32, folder: name.into() }).collect()))
}

fn named_by_list(root: &Path, folders: Vec<OsString>, classes: &[String]) -> Result<Vec<Open>> {
    let labels = placed("ImageFolder::open", classes)?;
    folders
        .into_iter()
        .map(|name| match labels.get(name.to_string_lossy().as_ref()) {
            Some(&class) => Ok(Open { class, folder: name.into() }),
            None => Err(Error::Format {
                path: root.join(&name),
                expected: format!("a folder of one of the {} classes that were told", classes.len()),
                got: format!("{name:?}"),
                hint: "Both parts of a data set have the same classes: is this the right folder?".into(),
            }),
        })
        .collect()
}

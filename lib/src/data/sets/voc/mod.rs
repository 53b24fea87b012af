//! PASCAL VOC 2007 and 2012 (M. Everingham et al., *The PASCAL visual object classes challenge*, IJCV 2010).

mod mask;
mod xml;

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::annotated::{Decode, open_annotated};
use super::{no_such, placed};
use crate::data::dataset::Dataset;
use crate::data::decode::DecodeConfig;
use crate::data::sample::{ClassMap, Mask, Object, Sample, Target};
use crate::data::source::Source;
use crate::download::below;
use crate::progress::{Progress, Unit};
use crate::{Error, Result};

pub use xml::{VocAnnotation, VocObject};

const CLASSES: [&str; 20] = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];
/// What pixels belong to that belong to nothing.
const BACKGROUND: &str = "background";

/// What is to be learnt from VOC's images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VocTask {
    /// Boxes.
    #[default]
    Detection,
    /// The class of each pixel, `background` the first of 21, and the mask of each object.
    Segmentation,
    /// Which classes are in the image; what is difficult to see does not count.
    Classification,
}

/// How a folder of VOC is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VocConfig {
    /// What is to be learnt.
    pub task: VocTask,
    /// The list of images, `train`, `val`, `trainval` or `test`, in the folder of lists of the task.
    pub split: String,
    /// The classes in the order of their labels, without a background. `None` for the twenty of VOC.
    pub classes: Option<Vec<String>>,
    /// How images are decoded.
    pub decode: DecodeConfig,
}

impl Default for VocConfig {
    /// Detection on `train`, the twenty classes.
    fn default() -> VocConfig {
        VocConfig {
            task: VocTask::Detection,
            split: "train".into(),
            classes: None,
            decode: DecodeConfig::default(),
        }
    }
}

/// A data set in VOC's layout: `JPEGImages`, `Annotations`, `ImageSets`, `SegmentationClass` and
/// `SegmentationObject` below one folder.
///
/// An object that VOC calls difficult is one to [`Object::ignore`]. What [`Object`] has no place for, pose and
/// parts and whether it is truncated, is in [`Voc::annotation`].
#[derive(Debug, Clone)]
pub struct Voc {
    root: PathBuf,
    task: VocTask,
    /// Names of the images, without an ending.
    names: Vec<String>,
    class_names: Vec<String>,
    /// The classes of each image, for classification.
    labels: Vec<Vec<u32>>,
    decode: DecodeConfig,
}

impl Voc {
    /// The images of one list. `root` is the folder of one year, or one above it that holds no other year.
    ///
    /// # Errors
    /// When there is no such folder or list, when a name leaves the folder, and for classification when an
    /// annotation is bad.
    pub fn open(root: impl AsRef<Path>, config: VocConfig) -> Result<Voc> {
        let root = find(root.as_ref())?;
        let lists = root.join("ImageSets").join(match config.task {
            VocTask::Segmentation => "Segmentation",
            VocTask::Detection | VocTask::Classification => "Main",
        });
        let names = read_list(&lists, &config.split)?;
        let mut class_names = config.classes.unwrap_or_else(|| CLASSES.map(str::to_owned).to_vec());
        if config.task == VocTask::Segmentation {
            class_names.insert(0, BACKGROUND.to_owned());
        }
        placed("Voc::open", &class_names)?;
        let mut voc =
            Voc { root, task: config.task, names, class_names, labels: Vec::new(), decode: config.decode };
        if config.task == VocTask::Classification {
            voc.labels = voc.read_labels()?;
        }
        Ok(voc)
    }

    /// Everything that VOC says of image `index`.
    ///
    /// # Errors
    /// When there is no such image, or its file is missing or damaged.
    pub fn annotation(&self, index: usize) -> Result<VocAnnotation> {
        xml::read(&self.annotation_path(self.name(index)?))
    }

    /// The data set.
    #[must_use]
    pub fn into_dataset(self) -> Dataset {
        let name = self.root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Dataset::from_source(self)
            .named(&name)
            .described("PASCAL VOC (Everingham, Van Gool, Williams, Winn and Zisserman 2010).")
    }

    fn name(&self, index: usize) -> Result<&str> {
        self.names.get(index).map(String::as_str).ok_or_else(|| no_such(index, self.names.len()))
    }

    fn annotation_path(&self, name: &str) -> PathBuf {
        self.root.join("Annotations").join(format!("{name}.xml"))
    }

    fn image_path(&self, name: &str) -> PathBuf {
        self.root.join("JPEGImages").join(format!("{name}.jpg"))
    }

    fn label(&self, object: &VocObject, name: &str) -> Result<u32> {
        let label = self.class_names.iter().position(|class| *class == object.name);
        label.map(|label| label as u32).ok_or_else(|| Error::Format {
            path: self.annotation_path(name),
            expected: format!("objects of the {} classes", self.class_names.len()),
            got: format!("`{}`", object.name),
            hint: "Tell the classes of your own in `VocConfig::classes`.".into(),
        })
    }

    fn read_labels(&self) -> Result<Vec<Vec<u32>>> {
        let mut progress = Progress::start("reading annotations", Unit::Files, Some(self.names.len() as u64));
        let mut all = Vec::with_capacity(self.names.len());
        for round in self.names.chunks(512) {
            let labels: Vec<Result<Vec<u32>>> = round
                .par_iter()
                .map(|name| {
                    let annotation = xml::read(&self.annotation_path(name))?;
                    let clear = annotation.objects.iter().filter(|object| !object.difficult);
                    let mut labels =
                        clear.map(|object| self.label(object, name)).collect::<Result<Vec<u32>>>()?;
                    labels.sort_unstable();
                    labels.dedup();
                    Ok(labels)
                })
                .collect();
            for labels in labels {
                all.push(labels?);
            }
            progress.at(all.len() as u64)?;
        }
        Ok(all)
    }

    /// The target, and the size that the annotation tells.
    fn described(&self, index: usize) -> Result<(Target, [usize; 2])> {
        let name = self.name(index)?;
        let annotation = xml::read(&self.annotation_path(name))?;
        let size = annotation.size;
        if self.task == VocTask::Classification {
            return Ok((Target { labels: self.labels(index), ..Target::default() }, size));
        }
        let mut objects = Vec::with_capacity(annotation.objects.len());
        for object in &annotation.objects {
            objects.push(Object {
                label: self.label(object, name)?,
                bbox: object.bbox,
                mask: None,
                keypoints: Vec::new(),
                area: None,
                ignore: object.difficult,
            });
        }
        let mut target = Target { objects, ..Target::default() };
        if self.task == VocTask::Segmentation {
            let path = |folder: &str| self.root.join(folder).join(format!("{name}.png"));
            let classes = self.checked(&path("SegmentationClass"), size)?;
            let [height, width] = size;
            target.segmentation = Some(ClassMap { height, width, classes });
            let instances = mask::read(&path("SegmentationObject"), size, self.decode.max_pixels)?;
            // Object `n` of the annotation, counted from 1, is drawn with the number `n`.
            for (number, object) in (1_usize..).zip(&mut target.objects) {
                let pixels = instances.iter().map(|&found| u8::from(usize::from(found) == number)).collect();
                object.mask = Some(Mask { height, width, pixels });
            }
        }
        Ok((target, size))
    }

    /// The classes of all pixels.
    fn checked(&self, path: &Path, size: [usize; 2]) -> Result<Vec<u16>> {
        let classes = mask::read(path, size, self.decode.max_pixels)?;
        let known = |class: &u8| {
            usize::from(*class) < self.class_names.len() || u16::from(*class) == ClassMap::IGNORE
        };
        match classes.iter().find(|class| !known(class)) {
            None => Ok(classes.into_iter().map(u16::from).collect()),
            Some(class) => Err(Error::Format {
                path: path.to_owned(),
                expected: format!("classes below {}, or {}", self.class_names.len(), ClassMap::IGNORE),
                got: format!("a pixel of class {class}"),
                hint: "Tell the classes of your own in `VocConfig::classes`.".into(),
            }),
        }
    }
}

impl Source for Voc {
    fn len(&self) -> usize {
        self.names.len()
    }

    fn id(&self, index: usize) -> String {
        self.names.get(index).cloned().unwrap_or_default()
    }

    fn path(&self, index: usize) -> Option<PathBuf> {
        self.names.get(index).map(|name| self.image_path(name))
    }

    fn labels(&self, index: usize) -> Vec<u32> {
        self.labels.get(index).cloned().unwrap_or_default()
    }

    fn target(&self, index: usize) -> Result<Target> {
        Ok(self.described(index)?.0)
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let (target, size) = self.described(index)?;
        let name = self.name(index)?;
        let annotations = self.annotation_path(name);
        let decode = Decode { size, config: self.decode, annotations: &annotations };
        Ok(Sample { id: name.to_owned(), image: open_annotated(&self.image_path(name), decode)?, target })
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }
}

/// The folder of a year: this one, or the only one below it.
fn find(root: &Path) -> Result<PathBuf> {
    let is_year = |folder: &Path| folder.join("JPEGImages").is_dir() && folder.join("ImageSets").is_dir();
    if is_year(root) {
        return Ok(root.to_owned());
    }
    let mut years = Vec::new();
    for parent in [root.to_owned(), root.join("VOCdevkit")] {
        let Ok(entries) = fs::read_dir(&parent) else { continue };
        years.extend(entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|folder| is_year(folder)));
    }
    years.sort();
    match years.as_slice() {
        [year] => Ok(year.clone()),
        several => Err(Error::Format {
            path: root.to_owned(),
            expected: "a folder with JPEGImages, Annotations and ImageSets".into(),
            got: if several.is_empty() {
                "none".into()
            } else {
                several.iter().map(|year| year.display().to_string()).collect::<Vec<_>>().join(", ")
            },
            hint: "Name the folder of one year, such as VOCdevkit/VOC2012.".into(),
        }),
    }
}

/// The names in `folder/split.txt`. Lists of a class have a second column, -1 for images without it.
fn read_list(folder: &Path, split: &str) -> Result<Vec<String>> {
    let refused = |got: String, hint: String| Error::Argument {
        op: "Voc::open".into(),
        expected: "the name of a list of images".into(),
        got,
        hint,
    };
    let file = format!("{split}.txt");
    let path = below(folder, Path::new(&file)).filter(|_| !split.contains('/')).ok_or_else(|| {
        refused(format!("`{split}`"), "`train`, `val`, `trainval` and `test` are usual.".into())
    })?;
    if !path.is_file() {
        let entries = fs::read_dir(folder).map_err(|source| Error::Io {
            op: "read",
            path: folder.to_owned(),
            source,
        })?;
        let mut there: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".txt").map(str::to_owned))
            .filter(|name| !name.contains('_'))
            .collect();
        there.sort();
        let hint = format!("In {} there are: {}.", folder.display(), there.join(", "));
        return Err(refused(format!("`{split}`"), hint));
    }
    let text =
        fs::read_to_string(&path).map_err(|source| Error::Io { op: "read", path: path.clone(), source })?;
    let wrong = |got: String| Error::Format {
        path: path.clone(),
        expected: "names of images, one a line, without folder and ending".into(),
        got,
        hint: "Mend the list, or fetch it again.".into(),
    };
    let mut names = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let mut columns = line.split_whitespace();
        let Some(name) = columns.next() else { continue };
        if name.contains(['/', '\\']) || name.starts_with('.') {
            return Err(wrong(format!("`{name}` in line {}", at + 1)));
        }
        if columns.next() != Some("-1") {
            names.push(name.to_owned());
        }
    }
    if names.is_empty() { Err(wrong("no name".into())) } else { Ok(names) }
}

/// The images of one list of PASCAL VOC; see [`Voc`].
///
/// ```no_run
/// # use sconce::data::{VocTask, datasets};
/// let train = datasets::voc("VOCdevkit/VOC2012", VocTask::Segmentation, "train")?;
/// # Ok::<(), sconce::Error>(())
/// ```
///
/// # Errors
/// As [`Voc::open`].
pub fn voc(root: impl AsRef<Path>, task: VocTask, split: &str) -> Result<Dataset> {
    let config = VocConfig { task, split: split.to_owned(), ..VocConfig::default() };
    Ok(Voc::open(root, config)?.into_dataset())
}

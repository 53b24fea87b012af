//! COCO: images in a folder, everything about them in a JSON file.

mod json;
mod read;

use std::fmt;
use std::path::{Path, PathBuf};

use super::annotated::{Decode, open_annotated};
use super::{no_such, rle};
use crate::data::dataset::Dataset;
use crate::data::decode::DecodeConfig;
use crate::data::sample::{BBox, Keypoint, Mask, Object, Sample, Target};
use crate::data::source::Source;
use crate::{Error, Result};
use read::Builder;

/// A data set in COCO's layout: instances with boxes, polygons, RLE masks and crowds; captions; keypoints
/// (T.-Y. Lin et al., *Microsoft COCO: Common Objects in Context*, ECCV 2014).
///
/// Labels count from 0 in the order of the category ids, which have gaps in COCO; [`Coco::category_ids`] leads
/// back. A crowd is an object to [`Object::ignore`]. Masks are drawn when a sample is asked for, pixel by pixel as
/// COCO's own code draws them.
#[derive(Clone)]
pub struct Coco {
    root: PathBuf,
    file: PathBuf,
    pictures: Vec<Picture>,
    objects: Vec<Thing>,
    class_names: Vec<String>,
    categories: Vec<CocoCategory>,
    decode: DecodeConfig,
}

/// What a class is called in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CocoCategory {
    /// Its number in the file.
    pub id: i64,
    /// Its name, which is that of the class.
    pub name: String,
    /// The name of the group it belongs to, or an empty text.
    pub supercategory: String,
    /// The names of its keypoints, in their order.
    pub keypoints: Vec<String>,
    /// Which keypoints a line joins, counted from 1 as in the file.
    pub skeleton: Vec<[u32; 2]>,
}

/// An image of the file.
#[derive(Debug, Clone)]
struct Picture {
    id: i64,
    /// Below the root.
    name: Box<str>,
    height: u32,
    width: u32,
    /// Its objects are `start..end`.
    start: u32,
    end: u32,
    captions: Vec<Box<str>>,
}

/// An object of the file.
#[derive(Debug, Clone)]
struct Thing {
    id: i64,
    label: u32,
    bbox: BBox,
    area: Option<f64>,
    crowd: bool,
    outline: Outline,
    keypoints: Box<[Keypoint]>,
}

/// What its mask is drawn from.
#[derive(Debug, Clone)]
enum Outline {
    None,
    Polygons(Box<[Box<[f64]>]>),
    Runs(Box<[u32]>),
    Packed(Box<str>),
}

impl Coco {
    /// The images in a folder with the annotations of one file: instances, keypoints or captions.
    ///
    /// # Errors
    /// When the file cannot be read or is no JSON of COCO; when an annotation has a category or an image that
    /// the file does not list, a box that is none, or a number of keypoints other than its category; when the
    /// path of an image leaves the folder; [`Error::Interrupted`].
    pub fn open(images: impl AsRef<Path>, annotations: impl AsRef<Path>) -> Result<Coco> {
        Builder::new(images.as_ref()).add(annotations.as_ref())?.build()
    }

    /// The same with the annotations of one more file of the same images: captions beside instances, or
    /// keypoints, which go to the objects of the same id.
    ///
    /// # Errors
    /// As [`Coco::open`].
    pub fn with(self, annotations: impl AsRef<Path>) -> Result<Coco> {
        Builder::of(self).add(annotations.as_ref())?.build()
    }

    /// Sets how images are decoded, and how large they and their masks may be.
    #[must_use]
    pub fn decode(mut self, config: DecodeConfig) -> Coco {
        self.decode = config;
        self
    }

    /// The number of each image in the file.
    #[must_use]
    pub fn image_ids(&self) -> Vec<i64> {
        self.pictures.iter().map(|picture| picture.id).collect()
    }

    /// The number of each class in the file, in the order of the labels.
    #[must_use]
    pub fn category_ids(&self) -> Vec<i64> {
        self.categories.iter().map(|category| category.id).collect()
    }

    /// What the file says of each class, in the order of the labels.
    #[must_use]
    pub fn categories(&self) -> &[CocoCategory] {
        &self.categories
    }

    /// The number in the file of each object of image `index`, in the order of [`Target::objects`].
    #[must_use]
    pub fn annotation_ids(&self, index: usize) -> Vec<i64> {
        self.things(index).iter().map(|thing| thing.id).collect()
    }

    /// The data set.
    #[must_use]
    pub fn into_dataset(self) -> Dataset {
        let name = self.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Dataset::from_source(self).named(&name)
    }

    fn things(&self, index: usize) -> &[Thing] {
        self.pictures
            .get(index)
            .and_then(|picture| self.objects.get(picture.start as usize..picture.end as usize))
            .unwrap_or_default()
    }

    fn object(&self, picture: &Picture, thing: &Thing) -> Result<Object> {
        let size = [picture.height as usize, picture.width as usize];
        let drawn = !matches!(thing.outline, Outline::None);
        if drawn && u64::from(picture.height) * u64::from(picture.width) > self.decode.max_pixels {
            return Err(Error::Format {
                path: self.file.clone(),
                expected: format!("masks of at most {} pixels", self.decode.max_pixels),
                got: format!("{} x {} pixels of {}", picture.height, picture.width, picture.name),
                hint: "Raise the limits of `DecodeConfig` with `Coco::decode` if the file is trusted.".into(),
            });
        }
        let mask = match &thing.outline {
            Outline::None => Ok(None),
            Outline::Polygons(polygons) => rle::from_polygons(polygons, size).map(Some),
            Outline::Runs(runs) => rle::from_runs(runs, size).map(Some),
            Outline::Packed(text) => rle::unpack(text).and_then(|runs| rle::from_runs(&runs, size)).map(Some),
        };
        let mask: Option<Mask> = mask.map_err(|problem| Error::Format {
            path: self.file.clone(),
            expected: "masks that fit their images".into(),
            got: format!("annotation {} of {}: {problem}", thing.id, picture.name),
            hint: "Mend the annotation or leave it out.".into(),
        })?;
        Ok(Object {
            label: thing.label,
            bbox: thing.bbox,
            mask,
            keypoints: thing.keypoints.to_vec(),
            area: thing.area,
            ignore: thing.crowd,
        })
    }
}

impl fmt::Debug for Coco {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (images, objects, file) = (self.pictures.len(), self.objects.len(), self.file.display());
        write!(f, "Coco of {images} images with {objects} objects ({file})")
    }
}

impl Source for Coco {
    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn id(&self, index: usize) -> String {
        self.pictures.get(index).map_or_else(String::new, |picture| picture.name.to_string())
    }

    fn path(&self, index: usize) -> Option<PathBuf> {
        self.pictures.get(index).map(|picture| self.root.join(&*picture.name))
    }

    fn labels(&self, _index: usize) -> Vec<u32> {
        Vec::new()
    }

    fn target(&self, index: usize) -> Result<Target> {
        let picture = self.pictures.get(index).ok_or_else(|| no_such(index, self.len()))?;
        let objects = self.things(index).iter().map(|thing| self.object(picture, thing));
        Ok(Target {
            objects: objects.collect::<Result<_>>()?,
            captions: picture.captions.iter().map(|caption| caption.to_string()).collect(),
            ..Target::default()
        })
    }

    fn sample(&self, index: usize) -> Result<Sample> {
        let picture = self.pictures.get(index).ok_or_else(|| no_such(index, self.len()))?;
        let size = [picture.height as usize, picture.width as usize];
        let path = self.root.join(&*picture.name);
        let image = open_annotated(&path, Decode { size, config: self.decode, annotations: &self.file })?;
        Ok(Sample { id: self.id(index), image, target: self.target(index)? })
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }
}

/// The images in a folder with the annotations of a JSON file in COCO's format; see [`Coco`], which joins
/// several files.
///
/// ```no_run
/// # use sconce::data::datasets;
/// let train = datasets::coco("coco/train2017", "coco/annotations/instances_train2017.json")?;
/// # Ok::<(), sconce::Error>(())
/// ```
///
/// # Errors
/// As [`Coco::open`].
pub fn coco(images: impl AsRef<Path>, annotations: impl AsRef<Path>) -> Result<Dataset> {
    Ok(Coco::open(images, annotations)?.into_dataset())
}

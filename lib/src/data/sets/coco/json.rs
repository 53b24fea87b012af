//! The JSON of COCO's annotations, as it stands in the file.

use std::borrow::Cow;
use std::fmt;

use sconce_display::interrupt;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// One file. What it holds beyond this (licences, dates, addresses) belongs to no sample.
#[derive(Debug, Deserialize)]
pub(super) struct File<'a> {
    #[serde(borrow)]
    pub(super) images: Vec<Image<'a>>,
    #[serde(borrow, default, deserialize_with = "until_interrupted")]
    pub(super) annotations: Vec<Annotation<'a>>,
    #[serde(borrow, default)]
    pub(super) categories: Vec<Category<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Image<'a> {
    pub(super) id: i64,
    #[serde(borrow)]
    pub(super) file_name: Cow<'a, str>,
    pub(super) width: u32,
    pub(super) height: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct Category<'a> {
    pub(super) id: i64,
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) supercategory: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) keypoints: Vec<Cow<'a, str>>,
    #[serde(default)]
    pub(super) skeleton: Vec<[u32; 2]>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Annotation<'a> {
    #[serde(default)]
    pub(super) id: Option<i64>,
    pub(super) image_id: i64,
    #[serde(default)]
    pub(super) category_id: Option<i64>,
    #[serde(default)]
    pub(super) bbox: Option<[f64; 4]>,
    #[serde(default)]
    pub(super) area: Option<f64>,
    #[serde(default)]
    pub(super) iscrowd: u8,
    #[serde(borrow, default)]
    pub(super) segmentation: Option<Outline<'a>>,
    /// x, y and visibility of each point.
    #[serde(default)]
    pub(super) keypoints: Vec<f64>,
    #[serde(borrow, default)]
    pub(super) caption: Option<Cow<'a, str>>,
}

/// So many annotations are read between two looks at the interrupt flag.
const LOOK: usize = 4096;

/// All annotations, of which there may be a million; an error where somebody asked for a stop.
fn until_interrupted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Annotation<'de>>, D::Error> {
    struct Annotations;

    impl<'de> Visitor<'de> for Annotations {
        type Value = Vec<Annotation<'de>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of annotations")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut annotations = Vec::new();
            while let Some(annotation) = items.next_element()? {
                annotations.push(annotation);
                if annotations.len().is_multiple_of(LOOK) && interrupt::requested() {
                    return Err(A::Error::custom("interrupted"));
                }
            }
            Ok(annotations)
        }
    }

    deserializer.deserialize_seq(Annotations)
}

/// The pixels of an object: a list of polygons, or an object with `counts` and `size`.
#[derive(Debug)]
pub(super) enum Outline<'a> {
    Polygons(Vec<Box<[f64]>>),
    Runs { counts: Counts<'a>, size: [u32; 2] },
}

/// Runs, as numbers or packed into a text.
#[derive(Debug)]
pub(super) enum Counts<'a> {
    Numbers(Vec<u32>),
    Packed(Cow<'a, str>),
}

// Written out, since an untagged enum would first read everything into a value of its own.
impl<'de: 'a, 'a> Deserialize<'de> for Outline<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OutlineVisitor)
    }
}

struct OutlineVisitor;

impl<'de> Visitor<'de> for OutlineVisitor {
    type Value = Outline<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of polygons, or an object with `counts` and `size`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut polygons = Vec::new();
        while let Some(polygon) = items.next_element::<Vec<f64>>()? {
            polygons.push(polygon.into_boxed_slice());
        }
        Ok(Outline::Polygons(polygons))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let (mut counts, mut size) = (None, None);
        while let Some(key) = entries.next_key::<Cow<'_, str>>()? {
            match &*key {
                "counts" => counts = Some(entries.next_value()?),
                "size" => size = Some(entries.next_value()?),
                _ => {
                    entries.next_value::<serde::de::IgnoredAny>()?;
                }
            }
        }
        Ok(Outline::Runs {
            counts: counts.ok_or_else(|| A::Error::missing_field("counts"))?,
            size: size.ok_or_else(|| A::Error::missing_field("size"))?,
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Counts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountsVisitor)
    }
}

struct CountsVisitor;

impl<'de> Visitor<'de> for CountsVisitor {
    type Value = Counts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of runs, or a text of packed runs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut runs = Vec::new();
        while let Some(run) = items.next_element()? {
            runs.push(run);
        }
        Ok(Counts::Numbers(runs))
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Counts::Packed(Cow::Borrowed(text)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Counts::Packed(Cow::Owned(text.to_owned())))
    }
}

//! From the JSON to what the samples are made of.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use sconce_display::interrupt;

use super::json::{self, Counts};
use super::{Coco, CocoCategory, Outline, Picture, Thing};
use crate::data::decode::DecodeConfig;
use crate::data::sample::{BBox, Keypoint, Visibility};
use crate::download::below;
use crate::{Error, Result};

/// A set to which files are added.
pub(super) struct Builder {
    coco: Coco,
    /// The objects, each with the place of its picture.
    things: Vec<(u32, Thing)>,
}

/// An error about the file at hand.
struct Wrong<'a>(&'a Path);

impl Wrong<'_> {
    fn with(&self, expected: &str, got: String) -> Error {
        Error::Format {
            path: self.0.to_owned(),
            expected: expected.into(),
            got,
            hint: "Mend the file, or check that it is the right one.".into(),
        }
    }
}

impl Builder {
    pub(super) fn new(root: &Path) -> Builder {
        Builder::of(Coco {
            root: root.to_owned(),
            file: root.to_owned(),
            pictures: Vec::new(),
            objects: Vec::new(),
            class_names: Vec::new(),
            categories: Vec::new(),
            decode: DecodeConfig::default(),
        })
    }

    pub(super) fn of(mut coco: Coco) -> Builder {
        let objects = std::mem::take(&mut coco.objects);
        let mut places = Vec::with_capacity(objects.len());
        for (at, picture) in coco.pictures.iter().enumerate() {
            places.extend((picture.start..picture.end).map(|_| at as u32));
        }
        let things = places.into_iter().zip(objects).collect();
        Builder { coco, things }
    }

    pub(super) fn add(mut self, path: &Path) -> Result<Builder> {
        let wrong = Wrong(path);
        let bytes =
            fs::read(path).map_err(|source| Error::Io { op: "read", path: path.to_owned(), source })?;
        let file: json::File<'_> = serde_json::from_slice(&bytes).map_err(|error| {
            if interrupt::requested() {
                return Error::Interrupted { at: format!("in {}", path.display()) };
            }
            wrong.with("a JSON of COCO with `images` and `annotations`", error.to_string())
        })?;
        if self.coco.pictures.is_empty() {
            path.clone_into(&mut self.coco.file);
        }
        let pictures = self.pictures(&file.images, &wrong)?;
        let labels = self.categories(&file.categories, &wrong)?;
        // Objects that are there already, by their number.
        let known: HashMap<i64, usize> =
            self.things.iter().enumerate().map(|(at, (_, thing))| (thing.id, at)).collect();
        let mut seen = HashSet::new();
        for (at, annotation) in file.annotations.into_iter().enumerate() {
            let id = annotation.id.unwrap_or(at as i64 + 1);
            let place = pictures.get(&annotation.image_id).copied().ok_or_else(|| {
                let got = format!("annotation {id} of image {}", annotation.image_id);
                wrong.with("annotations of images that the file lists", got)
            })?;
            if let Some(caption) = &annotation.caption {
                self.coco.pictures[place as usize].captions.push((&**caption).into());
            }
            if annotation.category_id.is_none() && annotation.caption.is_some() {
                continue;
            }
            if !seen.insert(id) {
                return Err(wrong.with("annotations whose ids differ", format!("{id} twice")));
            }
            let picture = &self.coco.pictures[place as usize];
            let thing = thing(annotation, id, picture, &labels, &self.coco.categories, &wrong)?;
            match known.get(&id).and_then(|&at| self.things.get_mut(at)) {
                Some((there, old)) if *there == place && old.label == thing.label => {
                    if !thing.keypoints.is_empty() {
                        old.keypoints = thing.keypoints;
                    }
                }
                Some((_, old)) => {
                    let got = format!(
                        "annotation {id}, which is another there ({old_label})",
                        old_label = old.label
                    );
                    return Err(wrong.with("the same objects as in the file before", got));
                }
                None => self.things.push((place, thing)),
            }
        }
        Ok(self)
    }

    /// The place of each image's number; images that are not there yet are added.
    fn pictures(&mut self, images: &[json::Image<'_>], wrong: &Wrong<'_>) -> Result<HashMap<i64, u32>> {
        let mut places: HashMap<i64, u32> =
            self.coco.pictures.iter().enumerate().map(|(at, picture)| (picture.id, at as u32)).collect();
        let mut seen = HashSet::with_capacity(images.len());
        for image in images {
            if !seen.insert(image.id) {
                return Err(wrong.with("images whose ids differ", format!("{} twice", image.id)));
            }
            if below(Path::new(""), Path::new(&*image.file_name)).is_none() {
                let got = format!("`{}` of image {}", image.file_name, image.id);
                return Err(wrong.with("file names that stay in the folder of the images", got));
            }
            if image.width == 0 || image.height == 0 {
                let got = format!("{} x {} of {}", image.height, image.width, image.file_name);
                return Err(wrong.with("images with pixels", got));
            }
            if let Some(&place) = places.get(&image.id) {
                let there = &self.coco.pictures[place as usize];
                if *there.name != *image.file_name {
                    let got =
                        format!("image {} is {} there and {} here", image.id, there.name, image.file_name);
                    return Err(wrong.with("the same images as in the file before", got));
                }
                continue;
            }
            places.insert(image.id, self.coco.pictures.len() as u32);
            self.coco.pictures.push(Picture {
                id: image.id,
                name: (&*image.file_name).into(),
                height: image.height,
                width: image.width,
                start: 0,
                end: 0,
                captions: Vec::new(),
            });
        }
        Ok(places)
    }

    /// The label of each category's number. Only the first file that has categories decides them.
    fn categories(
        &mut self,
        categories: &[json::Category<'_>],
        wrong: &Wrong<'_>,
    ) -> Result<HashMap<i64, u32>> {
        let mut sorted: Vec<&json::Category<'_>> = categories.iter().collect();
        sorted.sort_by_key(|category| category.id);
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(wrong.with("categories whose ids differ", format!("{} twice", pair[0].id)));
        }
        let read = |category: &json::Category<'_>| CocoCategory {
            id: category.id,
            name: category.name.to_string(),
            supercategory: category.supercategory.as_deref().unwrap_or_default().to_owned(),
            keypoints: category.keypoints.iter().map(ToString::to_string).collect(),
            skeleton: category.skeleton.clone(),
        };
        let first = self.coco.categories.is_empty();
        for category in sorted {
            let there = self.coco.categories.iter_mut().find(|there| there.id == category.id);
            match there {
                None if first => self.coco.categories.push(read(category)),
                Some(there) if there.name == *category.name => {
                    // The file of the keypoints names them, that of the instances does not.
                    if there.keypoints.is_empty() {
                        *there = read(category);
                    }
                }
                _ => {
                    let got = format!("category {} `{}`", category.id, category.name);
                    return Err(wrong.with("the categories of the file before", got));
                }
            }
        }
        self.coco.class_names = self.coco.categories.iter().map(|category| category.name.clone()).collect();
        Ok(self.coco.categories.iter().enumerate().map(|(at, category)| (category.id, at as u32)).collect())
    }

    /// The set, with the objects of each image beside each other.
    pub(super) fn build(mut self) -> Result<Coco> {
        if self.coco.pictures.is_empty() {
            return Err(Wrong(&self.coco.file).with("at least one image", "none".into()));
        }
        self.things.sort_by_key(|(place, _)| *place);
        let mut at = 0;
        for (place, picture) in self.coco.pictures.iter_mut().enumerate() {
            picture.start = at as u32;
            while self.things.get(at).is_some_and(|(of, _)| *of as usize == place) {
                at += 1;
            }
            picture.end = at as u32;
        }
        self.coco.objects = self.things.into_iter().map(|(_, thing)| thing).collect();
        Ok(self.coco)
    }
}

fn thing(
    annotation: json::Annotation<'_>,
    id: i64,
    picture: &Picture,
    labels: &HashMap<i64, u32>,
    categories: &[CocoCategory],
    wrong: &Wrong<'_>,
) -> Result<Thing> {
    let of = format!("annotation {id} of {}", picture.name);
    let label = annotation.category_id.and_then(|category| labels.get(&category).copied());
    let Some(label) = label else {
        let category = annotation.category_id.map_or("no category".into(), |id| format!("category {id}"));
        return Err(wrong.with("categories that the file lists", format!("{category} of {of}")));
    };
    let Some([x, y, width, height]) = annotation.bbox else {
        return Err(wrong.with("a `bbox` for each object", format!("none of {of}")));
    };
    if ![x, y, width, height].iter().all(|side| side.is_finite()) || width < 0.0 || height < 0.0 {
        let got = format!("[{x}, {y}, {width}, {height}] of {of}");
        return Err(wrong.with("boxes [x, y, width, height]", got));
    }
    let outline = match annotation.segmentation {
        None => Outline::None,
        Some(json::Outline::Polygons(polygons)) if polygons.is_empty() => Outline::None,
        Some(json::Outline::Polygons(polygons)) => Outline::Polygons(polygons.into()),
        Some(json::Outline::Runs { counts, size }) => {
            if size != [picture.height, picture.width] {
                let got = format!("{size:?} of {of}, whose size is {} x {}", picture.height, picture.width);
                return Err(wrong.with("masks of the size [height, width] of their image", got));
            }
            match counts {
                Counts::Numbers(runs) => Outline::Runs(runs.into()),
                Counts::Packed(text) => Outline::Packed((&*text).into()),
            }
        }
    };
    Ok(Thing {
        id,
        label,
        bbox: BBox { x0: x as f32, y0: y as f32, x1: (x + width) as f32, y1: (y + height) as f32 },
        area: annotation.area,
        crowd: annotation.iscrowd != 0,
        outline,
        keypoints: keypoints(&annotation.keypoints, &categories[label as usize], &of, wrong)?,
    })
}

fn keypoints(
    numbers: &[f64],
    category: &CocoCategory,
    of: &str,
    wrong: &Wrong<'_>,
) -> Result<Box<[Keypoint]>> {
    let (points, rest) = numbers.as_chunks::<3>();
    let named = category.keypoints.len();
    if !rest.is_empty() || (!points.is_empty() && named > 0 && points.len() != named) {
        let expected = format!("{named} keypoints of three numbers each");
        return Err(wrong.with(&expected, format!("{} numbers of {of}", numbers.len())));
    }
    points
        .iter()
        .map(|&[x, y, v]| {
            let visibility = match v {
                0.0 => Visibility::Unlabelled,
                1.0 => Visibility::Hidden,
                2.0 => Visibility::Visible,
                other => {
                    return Err(wrong.with("visibilities 0, 1 and 2", format!("{other} of {of}")));
                }
            };
            Ok(Keypoint { x: x as f32, y: y as f32, visibility })
        })
        .collect()
}

//! Samples as pictures, with all that is known of them.

use std::borrow::Cow;

use candle_core::{CpuStorage, Device, Storage, Tensor};
use rayon::prelude::*;
use sconce_display::Bundle;

use super::collate::channels_first;
use super::dataset::Dataset;
use super::image::Image;
use super::sample::{ClassMap, Object, Sample, Visibility};
use crate::plot::{Annotated, ImageGrid, Mark, MarkPoint, Picture, PointLook, ValueRange};
use crate::progress::{Progress, Unit};
use crate::rich::Rich;
use crate::{Result, Seed};

impl Sample {
    /// The image with its boxes, masks, classes of pixels and keypoints drawn over it. Classes are numbers:
    /// [`Dataset::show`] has their names.
    ///
    /// # Errors
    /// When a mask is of another size than the image.
    pub fn show(&self) -> Result<Annotated> {
        annotated(self, &[])
    }
}

impl Rich for Sample {
    fn rich(&self) -> Bundle {
        match self.show() {
            Ok(shown) => shown.rich(),
            Err(error) => Bundle::text(format!("sample {:?} that could not be drawn: {error}\n", self.id)),
        }
    }
}

impl Dataset {
    /// Sample `index` before the transforms, with its boxes, masks, classes of pixels and keypoints drawn
    /// over it.
    ///
    /// # Errors
    /// When there is no such sample, it cannot be read, or a mask is of another size than the image.
    pub fn show(&self, index: usize) -> Result<Annotated> {
        annotated(&self.sample(index)?, self.class_names())
    }

    /// The same for sample `index` as it comes into a batch of this epoch and seed: what the transforms make
    /// of it.
    ///
    /// # Errors
    /// As [`Dataset::show`], and whatever a transform refuses.
    pub fn show_transformed(&self, index: usize, epoch: usize, seed: Seed) -> Result<Annotated> {
        annotated(&self.transformed(index, epoch, seed)?, self.class_names())
    }

    /// These images as they come into a batch, with their class names; what cannot be drawn is said in the
    /// note.
    pub(super) fn grid(&self, indices: &[usize]) -> ImageGrid {
        let drawn = self.captioned(indices, &|_, sample| names(&sample.target.labels, self.class_names()));
        drawn.unwrap_or_else(|error| ImageGrid::new().note(&format!("could not be drawn: {error}")))
    }

    /// These images as they come into a batch, each with a caption that is made of its place among them and the
    /// sample.
    pub(crate) fn captioned(
        &self,
        indices: &[usize],
        caption: &dyn Fn(usize, &Sample) -> String,
    ) -> Result<ImageGrid> {
        let mut progress = Progress::start("reading images", Unit::Images, Some(indices.len() as u64));
        let samples: Vec<Sample> = (0..)
            .zip(indices)
            .map(|(done, &index)| {
                progress.at(done)?;
                let sample = self.transformed(index, 0, Seed(0))?;
                self.check_labels("show_batch", &sample.target.labels, index)?;
                Ok(sample)
            })
            .collect::<Result<_>>()?;
        let images: Vec<Drawn<'_>> = samples.iter().map(|sample| Drawn::of(&sample.image)).collect();
        let captions: Vec<String> =
            samples.iter().enumerate().map(|(at, sample)| caption(at, sample)).collect();
        images_grid(&images, &captions, |at, picture| {
            let marks = samples.get(at).map_or_else(Vec::new, |sample| marks(sample, self.class_names()));
            if marks.is_empty() { Ok(picture) } else { over(picture, marks)?.picture() }
        })
    }
}

/// The names of classes, or their numbers where they have none.
fn names(labels: &[u32], class_names: &[String]) -> String {
    labels.iter().map(|&label| name(label, class_names)).collect::<Vec<_>>().join(", ")
}

fn name(label: u32, class_names: &[String]) -> String {
    class_names.get(label as usize).map_or_else(|| label.to_string(), Clone::clone)
}

fn annotated(sample: &Sample, class_names: &[String]) -> Result<Annotated> {
    let image = Drawn::of(&sample.image);
    let picture = image.picture(range_of(std::slice::from_ref(&image)))?;
    let labels = names(&sample.target.labels, class_names);
    let caption = [&sample.id, &labels].into_iter().filter(|part| !part.is_empty()).cloned();
    let caption = caption.collect::<Vec<_>>().join(": ");
    Ok(over(picture, marks(sample, class_names))?.caption(&caption))
}

fn over(picture: Picture, marks: Vec<Mark>) -> Result<Annotated> {
    marks.into_iter().try_fold(Annotated::new(picture), Annotated::mark)
}

/// What is to be drawn over an image: the classes of its pixels first, then its objects.
fn marks(sample: &Sample, class_names: &[String]) -> Vec<Mark> {
    let map = sample.target.segmentation.as_ref().map_or_else(Vec::new, |map| classes(map, class_names));
    let objects = sample.target.objects.iter().map(|object| Mark {
        label: name(object.label, class_names),
        color: object.label as usize,
        corners: Some([object.bbox.x0, object.bbox.y0, object.bbox.x1, object.bbox.y1]),
        mask: object.mask.as_ref().map(|mask| mask.pixels.clone()),
        points: points(object),
    });
    map.into_iter().chain(objects).collect()
}

fn points(object: &Object) -> Vec<MarkPoint> {
    let drawn = |visibility| match visibility {
        Visibility::Unlabelled => None,
        Visibility::Hidden => Some(PointLook::Hollow),
        Visibility::Visible => Some(PointLook::Full),
    };
    let points = object.keypoints.iter();
    points
        .filter_map(|point| drawn(point.visibility).map(|look| MarkPoint { at: [point.x, point.y], look }))
        .collect()
}

/// A mark for each class that pixels have.
fn classes(map: &ClassMap, class_names: &[String]) -> Vec<Mark> {
    let marks = map.present().into_iter().map(|class| Mark {
        label: name(u32::from(class), class_names),
        color: usize::from(class),
        mask: Some(map.classes.iter().map(|&other| u8::from(other == class)).collect()),
        ..Mark::default()
    });
    marks.collect()
}

/// The numbers of an image to be drawn.
pub(super) struct Drawn<'a> {
    /// `[channels, height, width]`.
    shape: [usize; 3],
    values: Cow<'a, [f32]>,
}

/// The images of a batch (B, C, H, W) as a grid.
pub(super) fn batch_grid(images: &Tensor, captions: &[String]) -> Result<ImageGrid> {
    let (_, channels, height, width) = images.dims4()?;
    let grid = |values: &[f32]| {
        let shape = [channels, height, width];
        let images = values.chunks(channels * height * width);
        let images: Vec<Drawn<'_>> = images.map(|values| Drawn { shape, values: values.into() }).collect();
        images_grid(&images, captions, |_, picture| Ok(picture))
    };
    let images = images.to_device(&Device::Cpu)?.contiguous()?;
    // Read where they lie: a batch is tens of megabytes, and to copy them takes as long as to draw them.
    if let (Storage::Cpu(CpuStorage::F32(values)), layout) =
        (&*images.storage_and_layout().0, images.layout())
    {
        let start = layout.start_offset();
        return grid(&values[start..start + images.elem_count()]);
    }
    grid(&images.flatten_all()?.to_vec1()?)
}

impl Drawn<'_> {
    fn of(image: &Image) -> Drawn<'static> {
        let [height, width, channels] = image.shape();
        Drawn { shape: [channels, height, width], values: channels_first(image).into() }
    }

    /// 3 channels are drawn as RGB, others by their first one.
    fn channels(&self) -> usize {
        if self.shape[0] == 3 { 3 } else { 1 }
    }

    fn seen(&self) -> &[f32] {
        let [_, height, width] = self.shape;
        &self.values[..self.channels() * height * width]
    }

    fn picture(&self, range: ValueRange) -> Result<Picture> {
        let [_, height, width] = self.shape;
        Picture::from_values([self.channels(), height, width], self.seen(), range)
    }
}

/// Images as a grid, each as `finished` makes it of its picture.
fn images_grid(
    images: &[Drawn<'_>],
    captions: &[String],
    finished: impl Fn(usize, Picture) -> Result<Picture>,
) -> Result<ImageGrid> {
    let range = range_of(images);
    let mut grid = ImageGrid::new();
    let pictures: Vec<Picture> =
        images.par_iter().map(|image| image.picture(range)).collect::<Result<_>>()?;
    for (at, picture) in pictures.into_iter().enumerate() {
        grid.push(finished(at, picture)?, captions.get(at).map_or("", String::as_str));
    }
    let mut notes = Vec::new();
    if let Some(other) = images.iter().find(|image| image.channels() != image.shape[0]) {
        notes.push(format!("channel 0 of {}", other.shape[0]));
    }
    if let ValueRange::Between { black, white } = range {
        notes.push(format!("black is {black:.3}, white is {white:.3}"));
    }
    Ok(grid.note(&notes.join("; ")))
}

/// 0 to 1, or from the least to the greatest finite value, the same for all images of a grid.
fn range_of(images: &[Drawn<'_>]) -> ValueRange {
    let none = || (f32::INFINITY, f32::NEG_INFINITY);
    let ends = images.par_iter().map(|image| {
        let finite = image.seen().iter().filter(|value| value.is_finite());
        finite.fold(none(), |(low, high), &value| (low.min(value), high.max(value)))
    });
    let (black, white) = ends.reduce(none, |(low, high), (min, max)| (low.min(min), high.max(max)));
    // Without a finite value too.
    if black >= 0.0 && white <= 1.0 { ValueRange::Unit } else { ValueRange::Between { black, white } }
}

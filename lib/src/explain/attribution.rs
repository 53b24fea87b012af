//! A value for each pixel of an image: how much a score hangs on it.

use candle_core::Tensor;
use sconce_display::Bundle;

use super::subject::{self, Subject};
use crate::plot::{Overlay, OverlayScale, Picture, number};
use crate::rich::Rich;
use crate::{Error, Result};

/// Of maps made of single pixels so many values lie beyond the end of the colours.
const CUT: f64 = 0.01;

/// How much a model's score, or its attention, hangs on each pixel of an image. Shown beside the image and over it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribution {
    method: String,
    target: Option<(usize, f64)>,
    class_name: String,
    /// H and W.
    size: [usize; 2],
    values: Vec<f32>,
    coarse: Option<([usize; 2], Vec<f32>)>,
    completeness: Option<Completeness>,
    scale: OverlayScale,
    cut: f64,
    picture: Picture,
}

/// Whether attributions add up to what they explain: [`integrated_gradients`](super::integrated_gradients) would do so
/// with infinitely many steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Completeness {
    /// The sum of all attributions.
    pub sum: f64,
    /// The score of the image less that of the baseline.
    pub difference: f64,
}

impl Completeness {
    /// How far the sum is from the difference, as a part of the difference; infinite where that is 0 and the sum is not.
    #[must_use]
    pub fn error(&self) -> f64 {
        let error = (self.sum - self.difference).abs();
        if error == 0.0 { 0.0 } else { error / self.difference.abs() }
    }
}

impl Attribution {
    /// Of single pixels: `values` (H · W) for the subject's class.
    pub(super) fn of_pixels(
        method: impl Into<String>,
        subject: &Subject<'_>,
        values: Vec<f32>,
        scale: OverlayScale,
    ) -> Result<Attribution> {
        let [_, height, width] = subject.shape();
        Ok(Attribution {
            method: method.into(),
            target: Some((subject.class, subject.score)),
            class_name: String::new(),
            size: [height, width],
            values,
            coarse: None,
            completeness: None,
            scale,
            cut: CUT,
            picture: subject::picture(&subject.image)?,
        })
    }

    /// Of the places of a layer: `map` of `[rows, columns]`, brought to the size of `image` (1, C, H, W) bilinearly.
    pub(super) fn of_places(
        method: impl Into<String>,
        target: Option<(usize, f64)>,
        image: &Tensor,
        map: ([usize; 2], Vec<f32>),
    ) -> Result<Attribution> {
        let size = [image.dims()[2], image.dims()[3]];
        let ([rows, columns], values) = &map;
        let small = Tensor::from_slice(values, (1, 1, *rows, *columns), &candle_core::Device::Cpu)?;
        let bilinear = crate::ops::Interpolation::Bilinear(crate::ops::Corners::Edges);
        let large = crate::ops::interpolate(&small, size, bilinear)?;
        Ok(Attribution {
            method: method.into(),
            target,
            class_name: String::new(),
            size,
            values: large.flatten_all()?.to_vec1()?,
            coarse: Some(map),
            completeness: None,
            scale: OverlayScale::Positive,
            cut: 0.0,
            picture: subject::picture(image)?,
        })
    }

    pub(super) fn complete(mut self, completeness: Completeness) -> Attribution {
        self.completeness = Some(completeness);
        self
    }

    /// Shows all values on the scale, also the few greatest.
    pub(super) fn uncut(mut self) -> Attribution {
        self.cut = 0.0;
        self
    }

    /// Sets what the class is called where the map is shown.
    #[must_use]
    pub fn class_name(mut self, name: &str) -> Attribution {
        name.clone_into(&mut self.class_name);
        self
    }

    /// Shows the map over another picture than the prepared image, such as the image as it was. Of another size, the map
    /// is not stretched: the picture must show the same pixels.
    ///
    /// # Errors
    /// If the picture has another size than the image.
    pub fn over(mut self, picture: Picture) -> Result<Attribution> {
        if picture.size() != self.size {
            let text = |[height, width]: [usize; 2]| format!("{height} x {width} pixels");
            return Err(Error::Shape {
                op: "Attribution::over".into(),
                expected: format!("a picture of {}, as the image", text(self.size)),
                got: text(picture.size()),
                hint: "Resize and crop it as the image was.".into(),
            });
        }
        self.picture = picture;
        Ok(self)
    }

    /// How it was made: `Grad-CAM of "layer4"`.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The class whose score was looked into; none for attention, which is the same for every class.
    #[must_use]
    pub fn class(&self) -> Option<usize> {
        self.target.map(|(class, _)| class)
    }

    /// The model's output for that class.
    #[must_use]
    pub fn score(&self) -> Option<f64> {
        self.target.map(|(_, score)| score)
    }

    /// H and W of the image.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// A value for each pixel, row by row.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Rows, columns and values before they were brought to the image's size, for what a layer's places tell.
    #[must_use]
    pub fn coarse(&self) -> Option<([usize; 2], &[f32])> {
        self.coarse.as_ref().map(|(size, values)| (*size, values.as_slice()))
    }

    /// Whether the values add up, where the method says they should.
    #[must_use]
    pub fn completeness(&self) -> Option<Completeness> {
        self.completeness
    }

    /// The row and the column of the greatest value.
    #[must_use]
    pub fn peak(&self) -> [usize; 2] {
        let mut peak = 0;
        for (at, value) in self.values.iter().enumerate() {
            if *value > self.values[peak] {
                peak = at;
            }
        }
        [peak / self.size[1].max(1), peak % self.size[1].max(1)]
    }

    fn title(&self) -> String {
        match self.target {
            Some((class, _)) if self.class_name.is_empty() => format!("{}, class {class}", self.method),
            Some(_) => format!("{}, {}", self.method, self.class_name),
            None => self.method.clone(),
        }
    }

    fn note(&self) -> String {
        let [row, column] = self.peak();
        let mut parts = Vec::new();
        if let Some((_, score)) = self.target {
            parts.push(format!("score {}", number(score)));
        }
        if let Some(Completeness { sum, difference }) = self.completeness {
            parts.push(format!("sum {} of {}", number(sum), number(difference)));
        }
        // A class activation map is 0 where no place speaks for the class.
        parts.push(match self.values.iter().all(|value| Some(value) == self.values.first()) {
            true => "the same everywhere".to_owned(),
            false => format!("greatest at row {row}, column {column}"),
        });
        parts.join("; ")
    }

    /// The map over the image.
    ///
    /// # Errors
    /// Never for one that could be made; the checks of [`Overlay`] are passed on.
    pub fn overlay(&self) -> Result<Overlay> {
        let overlay = Overlay::new(self.picture.clone(), &self.values, self.scale)?;
        Ok(overlay.cut(self.cut)?.title(&self.title()).note(&self.note()))
    }
}

impl Rich for Attribution {
    fn rich(&self) -> Bundle {
        match self.overlay() {
            Ok(overlay) => overlay.rich(),
            Err(error) => Bundle::text(format!("{}\n{}\n({error})\n", self.title(), self.note())),
        }
    }
}

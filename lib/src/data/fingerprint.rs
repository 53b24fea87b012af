//! Whether two data sets are the same, told from a few bytes.

use sha2::{Digest as _, Sha256};

use super::dataset::Dataset;
use super::image::{Image, Pixels};
use super::sample::Target;
use crate::Result;

/// So many images are looked at.
const LOOKED_AT: usize = 32;

impl Dataset {
    /// 16 hexadecimal digits that are the same for the same data on every machine, and others for other data: of the names
    /// of the classes, of the name and the classes of every sample in their order, and of pixels, boxes and captions of 32
    /// samples that are spread evenly, before any transform. It is cheap, and so does not notice when these change in
    /// other samples. An image that cannot be read counts as such.
    ///
    /// ```
    /// # use sconce::data::datasets;
    /// let digits = datasets::digits()?;
    /// assert_eq!(digits.fingerprint()?, datasets::digits()?.fingerprint()?);
    /// assert_ne!(digits.fingerprint()?, digits.subset(&[0, 1, 2])?.fingerprint()?);
    /// # Ok::<(), sconce::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a class has no name.
    pub fn fingerprint(&self) -> Result<String> {
        let mut hash = Fields(Sha256::new());
        hash.text("sconce data 1");
        hash.number(self.class_names().len());
        for name in self.class_names() {
            hash.text(name);
        }
        hash.number(self.len());
        for index in 0..self.len() {
            hash.text(&self.id(index)?);
            let labels = self.labels_of(index)?;
            hash.number(labels.len());
            for &label in labels {
                hash.number(label as usize);
            }
        }
        let looked_at = self.len().min(LOOKED_AT);
        for at in 0..looked_at {
            match self.sample(at * self.len() / looked_at) {
                Ok(sample) => {
                    hash.image(&sample.image);
                    hash.target(&sample.target);
                }
                Err(_) => hash.text("cannot be read"),
            }
        }
        Ok(hash.0.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }
}

/// Values one after the other, each so that it cannot be taken for a part of its neighbour.
struct Fields(Sha256);

impl Fields {
    fn number(&mut self, value: usize) {
        self.0.update((value as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.update(text);
    }

    fn target(&mut self, target: &Target) {
        self.number(target.objects.len());
        for object in &target.objects {
            self.number(object.label as usize);
            for side in [object.bbox.x0, object.bbox.y0, object.bbox.x1, object.bbox.y1] {
                self.0.update(side.to_le_bytes());
            }
        }
        self.number(target.captions.len());
        for caption in &target.captions {
            self.text(caption);
        }
    }

    fn image(&mut self, image: &Image) {
        for side in image.shape() {
            self.number(side);
        }
        match image.pixels() {
            Pixels::U8(values) => self.0.update(values),
            Pixels::F32(values) => {
                for value in values {
                    self.0.update(value.to_le_bytes());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use candle_core::{Device, Tensor};

    use super::super::datasets;
    use super::*;

    fn data(pixels: &[f32], labels: &[u32], names: &[&str]) -> Dataset {
        let images = Tensor::from_slice(pixels, (labels.len(), 1, 1, 2), &Device::Cpu).unwrap();
        Dataset::new(images, labels, names).unwrap()
    }

    #[test]
    fn whatever_changes_is_noticed() {
        let print = |pixels: &[f32], labels: &[u32], names: &[&str]| {
            data(pixels, labels, names).fingerprint().unwrap()
        };
        let same = print(&[0.0, 0.1, 0.2, 0.3], &[0, 1], &["a", "b"]);
        assert_eq!(same, print(&[0.0, 0.1, 0.2, 0.3], &[0, 1], &["a", "b"]));
        let others = [
            print(&[0.0, 0.1, 0.2, 0.4], &[0, 1], &["a", "b"]),
            print(&[0.0, 0.1, 0.2, 0.3], &[1, 1], &["a", "b"]),
            print(&[0.0, 0.1, 0.2, 0.3], &[0, 1], &["a", "c"]),
            print(&[0.0, 0.1, 0.2, 0.3], &[0, 1], &["ab", ""]),
            print(&[0.0, 0.1], &[0], &["a", "b"]),
            data(&[0.0, 0.1, 0.2, 0.3], &[0, 1], &["a", "b"]).subset(&[1, 0]).unwrap().fingerprint().unwrap(),
        ];
        for (at, other) in others.iter().enumerate() {
            assert_ne!(*other, same, "case {at}");
        }
        let shapes = |seed| datasets::shapes(4, crate::Seed(seed)).fingerprint().unwrap();
        assert_eq!(shapes(1), shapes(1));
        assert_ne!(shapes(1), shapes(2));
        assert_eq!(data(&[], &[], &["a"]).fingerprint().unwrap().len(), 16);
    }

    /// A changed way of hashing would make all earlier runs look different.
    #[test]
    fn it_is_the_same_in_every_release() {
        assert_eq!(datasets::digits().unwrap().fingerprint().unwrap(), "def407f4cde51c23");
    }
}

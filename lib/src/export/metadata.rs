use serde_json::json;

use crate::{Error, Result};

/// How many images an exported model takes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Batch {
    /// Any number, another one for each run.
    #[default]
    Dynamic,
    /// So many.
    Fixed(usize),
}

impl Batch {
    /// How many, where that is fixed.
    pub(crate) fn fixed(self) -> Option<usize> {
        match self {
            Batch::Dynamic => None,
            Batch::Fixed(images) => Some(images),
        }
    }
}

/// What is told about a model in its file, beside its layers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metadata {
    /// The names of the classes, in the order of the outputs; may be empty.
    pub classes: Vec<String>,
    /// What is taken from each channel of an image whose brightest value is 1; empty where nothing is.
    pub mean: Vec<f32>,
    /// What each channel is then divided by; empty where by nothing.
    pub std: Vec<f32>,
}

impl Metadata {
    /// The names of the classes.
    #[must_use]
    pub fn classes<S: AsRef<str>>(mut self, names: &[S]) -> Metadata {
        self.classes = names.iter().map(|name| name.as_ref().to_owned()).collect();
        self
    }

    /// What is taken from each channel, in fractions of the brightest, and what it is then divided by.
    #[must_use]
    pub fn normalized(mut self, mean: &[f32], std: &[f32]) -> Metadata {
        (self.mean, self.std) = (mean.to_vec(), std.to_vec());
        self
    }

    /// As pairs of a key and JSON, for images (C, H, W): `classes` (a list of names), `mean` and `std` (a number for
    /// each channel) where they are known, and `size` (height and width).
    pub(crate) fn entries(&self, image: &[usize]) -> Vec<(String, String)> {
        let mut entries = Vec::new();
        if !self.classes.is_empty() {
            entries.push(("classes", json!(self.classes)));
        }
        for (key, values) in [("mean", &self.mean), ("std", &self.std)] {
            if !values.is_empty() {
                entries.push((key, json!(values)));
            }
        }
        if let &[_, height, width] = image {
            entries.push(("size", json!([height, width])));
        }
        entries.into_iter().map(|(key, value)| (key.to_owned(), value.to_string())).collect()
    }

    /// [`Metadata::entries`] as one object of JSON.
    pub(crate) fn json(&self, image: &[usize]) -> String {
        let entries = self.entries(image);
        let entries: Vec<String> = entries.iter().map(|(key, json)| format!("\"{key}\": {json}")).collect();
        format!("{{{}}}", entries.join(", "))
    }

    /// Refuses numbers that do not belong to images of so many channels, or with which nothing can be computed.
    pub(crate) fn check(&self, op: &str, channels: usize) -> Result<()> {
        for (what, values) in [("mean", &self.mean), ("std", &self.std)] {
            let good = |value: &f32| value.is_finite() && (what == "mean" || *value > 0.0);
            let fits = values.is_empty() || values.len() == channels;
            if !fits || !values.iter().all(good) {
                return Err(Error::Argument {
                    op: op.into(),
                    expected: format!("a {what} for each of {channels} channels, finite and no std of 0"),
                    got: format!("{} numbers, {values:?}", values.len()),
                    hint: "Metadata::normalized takes as many numbers as images have channels.".into(),
                });
            }
        }
        Ok(())
    }
}

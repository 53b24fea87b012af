//! From when on something is a finding.

use super::near::MOST;
use crate::{Error, Result};

/// From when on something is a finding. The measures of each image stay in [`super::Scan::measured`], so that
/// other limits can be chosen by looking at them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScanConfig {
    /// An image with a shorter side than this is tiny; 0 turns it off.
    pub min_side: usize,
    /// An image whose longer side is more than so many times the shorter one has an odd shape; at least 1.
    pub max_aspect: f64,
    /// An image is too dark when 99 % of its pixels are darker than this, 0 (black) to 1; 0 turns it off.
    pub dark: f32,
    /// An image is too bright when 95 % of its pixels are brighter than this, 0 to 1 (white); 1 turns it off.
    pub bright: f32,
    /// An image is blurred when the variance of its Laplacian is below this, in units of bytes squared, with
    /// the longer side brought down to 256 pixels so that one limit holds for all sizes; 0 turns it off.
    pub min_sharpness: f64,
    /// Two images are near duplicates when their fingerprints differ in at most so many of 64 bits, 10 at most;
    /// `None` looks for exact duplicates only. Fingerprints are near each other by chance too: among 100,000
    /// images within 6 bits none, within 10 about one in 1,000, and within 16 nearly each has such a twin, which
    /// is why more is refused. Pictures that all show the same kind of thing in the same place, such as digits or
    /// X-rays, are near each other by nature: take less there.
    pub near_distance: Option<u32>,
    /// A box may reach beyond the image by so many pixels.
    pub box_slack: f32,
    /// A box with a side shorter than so many pixels is degenerate; one without an area always is.
    pub min_box_side: f32,
    /// A class with fewer examples (images, objects, or images with pixels of it) is rare; 0 turns it off.
    pub min_class_examples: usize,
}

impl Default for ScanConfig {
    /// Sides of 16 pixels, an aspect of 4, dark below 0.2, bright above 0.95, a sharpness of 30, near within 6
    /// bits, boxes by 1 pixel beyond the image and no thinner than 1 pixel, 10 examples of each class.
    fn default() -> ScanConfig {
        ScanConfig {
            min_side: 16,
            max_aspect: 4.0,
            dark: 0.2,
            bright: 0.95,
            min_sharpness: 30.0,
            near_distance: Some(6),
            box_slack: 1.0,
            min_box_side: 1.0,
            min_class_examples: 10,
        }
    }
}

impl ScanConfig {
    /// An error for what can't be meant.
    pub(super) fn checked(self, op: &str) -> Result<ScanConfig> {
        let unit = |value: f32| (0.0..=1.0).contains(&value);
        let length = |value: f32| value.is_finite() && value >= 0.0;
        let not_below = |value: f64, least: f64| value.is_finite() && value >= least;
        let near = self.near_distance.is_none_or(|bits| bits <= MOST);
        let near_expected = format!("at most {MOST} bits, as more are near by chance");
        let near_text = || format!("{}", self.near_distance.unwrap_or(0));
        for (fits, name, expected, got) in [
            (not_below(self.max_aspect, 1.0), "max_aspect", "at least 1", self.max_aspect.to_string()),
            (unit(self.dark), "dark", "from 0 to 1", self.dark.to_string()),
            (unit(self.bright), "bright", "from 0 to 1", self.bright.to_string()),
            (
                not_below(self.min_sharpness, 0.0),
                "min_sharpness",
                "at least 0",
                self.min_sharpness.to_string(),
            ),
            (near, "near_distance", near_expected.as_str(), near_text()),
            (length(self.box_slack), "box_slack", "at least 0 pixels", self.box_slack.to_string()),
            (length(self.min_box_side), "min_box_side", "at least 0 pixels", self.min_box_side.to_string()),
        ] {
            if !fits {
                return Err(Error::Argument {
                    op: op.into(),
                    expected: format!("a ScanConfig with {name} {expected}"),
                    got,
                    hint: "ScanConfig::default() has limits that suit photographs.".into(),
                });
            }
        }
        Ok(self)
    }
}

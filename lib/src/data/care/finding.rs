//! What may be wrong with an image.

use std::fmt;

use crate::data::BBox;
use crate::plot::number;
use crate::{Error, ImageProblem};

/// Something that is wrong with an image, or may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Where the image stands in the data set.
    pub index: usize,
    /// What it is called there.
    pub id: String,
    /// What is wrong, with the numbers that led to it.
    pub kind: FindingKind,
}

/// What is wrong with an image, with the numbers that led to it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FindingKind {
    /// It cannot be read: no file, no permission, no image, an annotation that does not fit.
    Unreadable {
        /// The error's message.
        why: String,
    },
    /// Its file has no bytes.
    Empty,
    /// Its file ends before the image does.
    Truncated {
        /// The error's message.
        why: String,
    },
    /// Its file contradicts its own format.
    Damaged {
        /// The error's message.
        why: String,
    },
    /// Its numbers are no fractions of 0 to 1: normalized already, bytes as numbers, not finite.
    NotFractions {
        /// The first such number.
        value: f32,
    },
    /// A side is very short.
    Tiny {
        /// Rows.
        rows: usize,
        /// Columns.
        columns: usize,
    },
    /// It is much longer than wide, or wider than long.
    OddAspect {
        /// The longer side by the shorter one.
        aspect: f64,
    },
    /// Nearly all of it is nearly black.
    TooDark {
        /// 99 % of its pixels are darker, 0 to 1.
        brightness: f32,
    },
    /// Nearly all of it is nearly white.
    TooBright {
        /// 95 % of its pixels are brighter, 0 to 1.
        brightness: f32,
    },
    /// It has no sharp edge.
    Blurred {
        /// The variance of its Laplacian, in units of bytes squared.
        sharpness: f64,
    },
    /// Its pixels are those of an earlier image.
    Duplicate {
        /// The first image with these pixels.
        of: usize,
    },
    /// It looks like an earlier image: resized, compressed again, brightened.
    NearDuplicate {
        /// The image it looks like, which is no duplicate itself.
        of: usize,
        /// In how many of 64 bits their fingerprints differ.
        distance: u32,
    },
    /// A box reaches beyond the image.
    BoxOutside {
        /// Which object of the image.
        object: usize,
        /// Its box.
        bbox: BBox,
        /// By how many pixels, on the side where it is most.
        beyond: f32,
    },
    /// A box without an area, thinner than allowed, or with a number that is not finite.
    BoxDegenerate {
        /// Which object of the image.
        object: usize,
        /// Its box.
        bbox: BBox,
    },
    /// It, or an object in it, has a class that the data set has no name for.
    UnknownClass {
        /// The first such class.
        label: u32,
    },
}

/// The kinds of findings, without their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Problem {
    /// [`FindingKind::Unreadable`]
    Unreadable,
    /// [`FindingKind::Empty`]
    Empty,
    /// [`FindingKind::Truncated`]
    Truncated,
    /// [`FindingKind::Damaged`]
    Damaged,
    /// [`FindingKind::NotFractions`]
    NotFractions,
    /// [`FindingKind::Tiny`]
    Tiny,
    /// [`FindingKind::OddAspect`]
    OddAspect,
    /// [`FindingKind::TooDark`]
    TooDark,
    /// [`FindingKind::TooBright`]
    TooBright,
    /// [`FindingKind::Blurred`]
    Blurred,
    /// [`FindingKind::Duplicate`]
    Duplicate,
    /// [`FindingKind::NearDuplicate`]
    NearDuplicate,
    /// [`FindingKind::BoxOutside`]
    BoxOutside,
    /// [`FindingKind::BoxDegenerate`]
    BoxDegenerate,
    /// [`FindingKind::UnknownClass`]
    UnknownClass,
}

impl Problem {
    /// All of them, in the order of tables.
    pub const ALL: [Problem; 15] = [
        Problem::Unreadable,
        Problem::Empty,
        Problem::Truncated,
        Problem::Damaged,
        Problem::NotFractions,
        Problem::Tiny,
        Problem::OddAspect,
        Problem::TooDark,
        Problem::TooBright,
        Problem::Blurred,
        Problem::Duplicate,
        Problem::NearDuplicate,
        Problem::BoxOutside,
        Problem::BoxDegenerate,
        Problem::UnknownClass,
    ];
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Problem::Unreadable => "unreadable",
            Problem::Empty => "empty file",
            Problem::Truncated => "truncated",
            Problem::Damaged => "damaged",
            Problem::NotFractions => "not fractions",
            Problem::Tiny => "tiny",
            Problem::OddAspect => "odd aspect",
            Problem::TooDark => "too dark",
            Problem::TooBright => "too bright",
            Problem::Blurred => "blurred",
            Problem::Duplicate => "duplicate",
            Problem::NearDuplicate => "near duplicate",
            Problem::BoxOutside => "box outside",
            Problem::BoxDegenerate => "degenerate box",
            Problem::UnknownClass => "unknown class",
        })
    }
}

impl FindingKind {
    /// The kind without its numbers.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            FindingKind::Unreadable { .. } => Problem::Unreadable,
            FindingKind::Empty => Problem::Empty,
            FindingKind::Truncated { .. } => Problem::Truncated,
            FindingKind::Damaged { .. } => Problem::Damaged,
            FindingKind::NotFractions { .. } => Problem::NotFractions,
            FindingKind::Tiny { .. } => Problem::Tiny,
            FindingKind::OddAspect { .. } => Problem::OddAspect,
            FindingKind::TooDark { .. } => Problem::TooDark,
            FindingKind::TooBright { .. } => Problem::TooBright,
            FindingKind::Blurred { .. } => Problem::Blurred,
            FindingKind::Duplicate { .. } => Problem::Duplicate,
            FindingKind::NearDuplicate { .. } => Problem::NearDuplicate,
            FindingKind::BoxOutside { .. } => Problem::BoxOutside,
            FindingKind::BoxDegenerate { .. } => Problem::BoxDegenerate,
            FindingKind::UnknownClass { .. } => Problem::UnknownClass,
        }
    }

    /// The kind of a sample that could not be read.
    pub(super) fn of_error(error: &Error) -> FindingKind {
        let why = error.to_string();
        match error {
            Error::Image { problem: ImageProblem::Empty, .. } => FindingKind::Empty,
            Error::Image { problem: ImageProblem::Truncated, .. } => FindingKind::Truncated { why },
            Error::Image { problem: ImageProblem::Damaged, .. } => FindingKind::Damaged { why },
            _ => FindingKind::Unreadable { why },
        }
    }

    /// Greater for what is worse, among findings of the same kind.
    pub(super) fn severity(&self) -> f64 {
        match self {
            FindingKind::Tiny { rows, columns } => -((*rows).min(*columns) as f64),
            FindingKind::OddAspect { aspect } => *aspect,
            FindingKind::TooDark { brightness } => -f64::from(*brightness),
            FindingKind::TooBright { brightness } => f64::from(*brightness),
            FindingKind::Blurred { sharpness } => -sharpness,
            FindingKind::NearDuplicate { distance, .. } => -f64::from(*distance),
            FindingKind::BoxOutside { beyond, .. } => f64::from(*beyond),
            FindingKind::BoxDegenerate { bbox, .. } => -f64::from(bbox.width().min(bbox.height())),
            _ => 0.0,
        }
    }
}

impl fmt::Display for FindingKind {
    /// `blurred: sharpness 12.3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.problem())?;
        let text = |bbox: &BBox| {
            let [x0, y0, x1, y1] = [bbox.x0, bbox.y0, bbox.x1, bbox.y1].map(|at| number(f64::from(at)));
            format!("x {x0} to {x1}, y {y0} to {y1}")
        };
        match self {
            FindingKind::Empty => Ok(()),
            FindingKind::Unreadable { why }
            | FindingKind::Truncated { why }
            | FindingKind::Damaged { why } => write!(f, ": {why}"),
            FindingKind::NotFractions { value } => write!(f, ": {value}"),
            FindingKind::Tiny { rows, columns } => write!(f, ": {rows} x {columns}"),
            FindingKind::OddAspect { aspect } => write!(f, ": {} to 1", number(*aspect)),
            FindingKind::TooDark { brightness } => write!(f, ": 99 % below {brightness:.3}"),
            FindingKind::TooBright { brightness } => write!(f, ": 95 % above {brightness:.3}"),
            FindingKind::Blurred { sharpness } => write!(f, ": sharpness {}", number(*sharpness)),
            FindingKind::Duplicate { of } => write!(f, " of {of}"),
            FindingKind::NearDuplicate { of, distance } => write!(f, " of {of}: {distance} bits"),
            FindingKind::BoxOutside { object, bbox, beyond } => {
                write!(f, ": object {object} by {} pixels, {}", number(f64::from(*beyond)), text(bbox))
            }
            FindingKind::BoxDegenerate { object, bbox } => write!(f, ": object {object}, {}", text(bbox)),
            FindingKind::UnknownClass { label } => write!(f, ": {label}"),
        }
    }
}

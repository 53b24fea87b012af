use super::box_errors::{BoxErrorConfig, BoxErrors};
use super::boxes::{FoundBox, TrueBox};
use super::coco::CocoScores;
use super::voc::{VocInterpolation, VocScores};
use crate::{Error, Result};

const OP: &str = "BoxEvaluation::record";

/// What is in images and what a model has found in them, gathered image by image: [`BoxEvaluation::coco`] and
/// [`BoxEvaluation::voc`] say how well that goes together, [`BoxEvaluation::errors`] what goes wrong.
///
/// ```
/// use sconce::metrics::{BoxEvaluation, FoundBox, TrueBox};
///
/// let mut evaluation = BoxEvaluation::new(&["cat", "dog"]);
/// let cat = TrueBox { label: 0, corners: [10.0, 10.0, 60.0, 50.0], area: None, ignore: false };
/// let found = FoundBox { label: 0, score: 0.9, corners: [11.0, 10.0, 60.0, 52.0] };
/// evaluation.record(&[cat], &[found])?;
/// assert!(evaluation.coco().ap50().is_some_and(|ap| ap > 0.999));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BoxEvaluation {
    pub(super) class_names: Vec<String>,
    pub(super) images: Vec<ImageBoxes>,
}

/// The boxes of one image.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ImageBoxes {
    pub(super) truths: Vec<TrueBox>,
    pub(super) found: Vec<FoundBox>,
}

impl BoxEvaluation {
    /// Nothing yet, of these classes.
    #[must_use]
    pub fn new(class_names: &[impl AsRef<str>]) -> BoxEvaluation {
        let class_names = class_names.iter().map(|name| name.as_ref().to_owned()).collect();
        BoxEvaluation { class_names, images: Vec::new() }
    }

    /// Takes in an image: all that is in it, which may be nothing, and all that was found.
    ///
    /// # Errors
    /// A label that is no class, corners that are the wrong way round, a score or a side that is not a number; nothing is
    /// taken in then.
    pub fn record(&mut self, truths: &[TrueBox], found: &[FoundBox]) -> Result<()> {
        let boxes = truths.iter().map(|truth| ("true", truth.label, truth.corners));
        let boxes = boxes.chain(found.iter().map(|found| ("found", found.label, found.corners)));
        let refused = |expected: String, got: String, hint: &str| {
            Err(Error::Argument { op: OP.into(), expected, got, hint: hint.into() })
        };
        for (kind, label, corners @ [x1, y1, x2, y2]) in boxes {
            if label as usize >= self.class_names.len() {
                return refused(
                    format!("labels below {}, the number of classes", self.class_names.len()),
                    format!("a {kind} box of label {label} in image {}", self.images.len()),
                    "Give BoxEvaluation::new the class names of the data set.",
                );
            }
            let finite = corners.iter().all(|side| side.is_finite());
            if !(finite && x1 <= x2 && y1 <= y2) {
                return refused(
                    "corners x1, y1, x2, y2 in pixels with x1 <= x2 and y1 <= y2".into(),
                    format!("a {kind} box {corners:?} in image {}", self.images.len()),
                    "Boxes of another format are brought to this one with ops::convert_boxes.",
                );
            }
        }
        if let Some(found) = found.iter().find(|found| !found.score.is_finite()) {
            let got = format!("{} in image {}", found.score, self.images.len());
            return refused("scores that are numbers".into(), got, "The model has diverged.");
        }
        self.images.push(ImageBoxes { truths: truths.to_vec(), found: found.to_vec() });
        Ok(())
    }

    /// Images that were taken in.
    #[must_use]
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there is no image yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The twelve numbers of COCO, as `pycocotools` computes them.
    #[must_use]
    pub fn coco(&self) -> CocoScores {
        CocoScores::of(self)
    }

    /// The average precision of PASCAL VOC for each class and their mean: a box is found when its IoU is at least
    /// `iou_threshold`, in VOC 0.5.
    ///
    /// # Errors
    /// For a threshold outside `(0, 1]`.
    pub fn voc(&self, iou_threshold: f64, interpolation: VocInterpolation) -> Result<VocScores> {
        if !(iou_threshold > 0.0 && iou_threshold <= 1.0) {
            return Err(Error::Argument {
                op: "BoxEvaluation::voc".into(),
                expected: "an iou_threshold above 0 and at most 1".into(),
                got: format!("{iou_threshold}"),
                hint: "VOC has 0.5.".into(),
            });
        }
        Ok(VocScores::of(self, iou_threshold, interpolation))
    }

    /// What is wrong with the boxes, sorted by kind, and how much AP each kind costs (TIDE).
    ///
    /// # Errors
    /// Unless `0 < background_iou < found_iou <= 1`.
    pub fn errors(&self, config: BoxErrorConfig) -> Result<BoxErrors> {
        let BoxErrorConfig { found_iou, background_iou } = config;
        if !(background_iou > 0.0 && background_iou < found_iou && found_iou <= 1.0) {
            return Err(Error::Argument {
                op: "BoxEvaluation::errors".into(),
                expected: "0 < background_iou < found_iou <= 1".into(),
                got: format!("background_iou {background_iou} and found_iou {found_iou}"),
                hint: "BoxErrorConfig::default() has 0.1 and 0.5, as the paper.".into(),
            });
        }
        Ok(BoxErrors::of(self, config))
    }
}

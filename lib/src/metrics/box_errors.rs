//! What is wrong with boxes that were found, and how much each kind of error costs.

use sconce_display::Bundle;

use super::box_error_kinds::{Sorted, Without};
use super::box_evaluation::BoxEvaluation;
use super::boxes::{FoundBox, TrueBox};
use crate::Result;
use crate::plot::{Bars, Table, count, escape, percent, svg_in_html};
use crate::rich::Rich;

/// When a box counts as found, and when it lies on nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxErrorConfig {
    /// The least IoU of a box that is right, in `(0, 1]`.
    pub found_iou: f64,
    /// The IoU below which a box has nothing to do with a thing, in `(0, found_iou)`.
    pub background_iou: f64,
}

impl Default for BoxErrorConfig {
    /// 0.5 and 0.1, as the paper has them.
    fn default() -> BoxErrorConfig {
        BoxErrorConfig { found_iou: 0.5, background_iou: 0.1 }
    }
}

/// A way to be wrong about a box. `f` is [`BoxErrorConfig::found_iou`], `b` is [`BoxErrorConfig::background_iou`]; a box
/// is of the first kind in this order that fits: location, class, duplicate, background, both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BoxErrorKind {
    /// Well placed on a thing of another class: IoU of at least `f`.
    Class,
    /// Of the right class, but badly placed: IoU from `b` to below `f`.
    Location,
    /// Badly placed on a thing of another class.
    Both,
    /// Well placed on a thing of its class that a surer box has found already.
    Duplicate,
    /// On nothing: IoU with everything at most `b`.
    Background,
    /// A thing that no box is of, and none would be if its class or its place were mended.
    Missed,
}

impl BoxErrorKind {
    /// All kinds, in the order of the paper.
    pub const ALL: [BoxErrorKind; 6] = [
        BoxErrorKind::Class,
        BoxErrorKind::Location,
        BoxErrorKind::Both,
        BoxErrorKind::Duplicate,
        BoxErrorKind::Background,
        BoxErrorKind::Missed,
    ];

    /// A word for it: `class`, `location`, `both`, `duplicate`, `background`, `missed`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            BoxErrorKind::Class => "class",
            BoxErrorKind::Location => "location",
            BoxErrorKind::Both => "both",
            BoxErrorKind::Duplicate => "duplicate",
            BoxErrorKind::Background => "background",
            BoxErrorKind::Missed => "missed",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            BoxErrorKind::Class => "well placed, wrong class",
            BoxErrorKind::Location => "right class, badly placed",
            BoxErrorKind::Both => "wrong class, badly placed",
            BoxErrorKind::Duplicate => "found already by a surer box",
            BoxErrorKind::Background => "nothing is there",
            BoxErrorKind::Missed => "a thing that no box is of",
        }
    }
}

/// One error.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxError {
    /// What is wrong.
    pub kind: BoxErrorKind,
    /// The image, counted from 0 in the order of [`BoxEvaluation::record`].
    pub image: usize,
    /// The box that is wrong; `None` for a thing that was missed.
    pub found: Option<FoundBox>,
    /// The thing that was missed, or that the box lies on best; `None` for a box on nothing.
    pub truth: Option<TrueBox>,
}

/// What is wrong with boxes that were found, sorted by kind, after TIDE (Bolya et al., *TIDE: A General Toolbox for
/// Identifying Object Detection Errors*, 2020): see [`BoxEvaluation::errors`].
///
/// Beside how often a kind occurs stands what it costs: the AP at an IoU of `found_iou` that is gained when all errors of
/// this kind, and no others, are mended. A box of the wrong class or place becomes right, unless its thing is found or
/// another such box is surer; all others go; what was missed is no longer asked for. Gains do not add up to what is
/// missing from 1: mending one kind changes the weight of the others.
///
/// The AP is that of [`CocoScores::ap50`](super::CocoScores::ap50) with the same rules: 100 boxes of each class and image,
/// a box on an ignored thing is neither right nor wrong, a class of which there is nothing does not count. The program of
/// the paper's authors differs in that it sorts boxes on ignored things, too, and counts a class without things as AP 0.
///
/// ```
/// use sconce::metrics::{BoxErrorConfig, BoxErrorKind, BoxEvaluation, FoundBox, TrueBox};
///
/// let mut evaluation = BoxEvaluation::new(&["cat", "dog"]);
/// let cat = TrueBox { label: 0, corners: [10.0, 10.0, 60.0, 50.0], area: None, ignore: false };
/// let found = FoundBox { label: 1, score: 0.9, corners: [11.0, 10.0, 60.0, 52.0] };
/// evaluation.record(&[cat], &[found])?;
/// let errors = evaluation.errors(BoxErrorConfig::default())?;
/// assert_eq!(errors.count(BoxErrorKind::Class), 1);
/// assert!(errors.gain(BoxErrorKind::Class).is_some_and(|gain| gain > 0.999));
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BoxErrors {
    config: BoxErrorConfig,
    images: usize,
    ap: Option<f64>,
    gains: [Option<f64>; BoxErrorKind::ALL.len()],
    false_positives: Option<f64>,
    false_negatives: Option<f64>,
    errors: Vec<BoxError>,
}

impl BoxErrors {
    pub(super) fn of(evaluation: &BoxEvaluation, config: BoxErrorConfig) -> BoxErrors {
        let sorted = Sorted::of(evaluation, config);
        let ap = sorted.ap(Without::Nothing);
        let gain = |without| Some(sorted.ap(without)? - ap?);
        // The points of recall at which AP is taken can make a hair's breadth of a loss from a gain.
        let gains = BoxErrorKind::ALL.map(|kind| gain(Without::Kind(kind)).map(|gain| gain.max(0.0)));
        let (false_positives, false_negatives) =
            (gain(Without::FalsePositives), gain(Without::FalseNegatives));
        let images = evaluation.len();
        BoxErrors { config, images, ap, gains, false_positives, false_negatives, errors: sorted.errors }
    }

    /// The IoUs by which errors were sorted.
    #[must_use]
    pub fn config(&self) -> BoxErrorConfig {
        self.config
    }

    /// How many images were looked at.
    #[must_use]
    pub fn images(&self) -> usize {
        self.images
    }

    /// AP at an IoU of `found_iou`, in `[0, 1]`; `None` where there is nothing to find.
    #[must_use]
    pub fn ap(&self) -> Option<f64> {
        self.ap
    }

    /// How many errors of a kind there are.
    #[must_use]
    pub fn count(&self, kind: BoxErrorKind) -> usize {
        self.errors.iter().filter(|error| error.kind == kind).count()
    }

    /// The AP that is gained when the errors of a kind are mended, in `[0, 1]`; `None` where there is nothing to find.
    #[must_use]
    pub fn gain(&self, kind: BoxErrorKind) -> Option<f64> {
        BoxErrorKind::ALL.iter().position(|&known| known == kind).and_then(|at| self.gains[at])
    }

    /// The AP that is gained when everything wrong has a lower score than all that is right.
    #[must_use]
    pub fn false_positive_gain(&self) -> Option<f64> {
        self.false_positives
    }

    /// The AP that is gained when only what was found is asked for.
    #[must_use]
    pub fn false_negative_gain(&self) -> Option<f64> {
        self.false_negatives
    }

    /// All errors, image by image: in each the boxes, the surest first, then what was missed.
    #[must_use]
    pub fn all(&self) -> &[BoxError] {
        &self.errors
    }

    /// The kinds with their numbers.
    #[must_use]
    pub fn table(&self) -> Table {
        let shown = |gain: Option<f64>| gain.map_or_else(|| "–".into(), percent);
        let mut table = Table::new(&["error", "count", "AP gained", ""]);
        for kind in BoxErrorKind::ALL {
            let [errors, gain] = [count(self.count(kind)), shown(self.gain(kind))];
            table.push(&[kind.name(), &errors, &gain, kind.meaning()]);
        }
        let missed = self.count(BoxErrorKind::Missed);
        let wrong = count(self.errors.len() - missed);
        table.push(&[
            "false positives",
            &wrong,
            &shown(self.false_positives),
            "all of the first five, scored last",
        ]);
        table.push(&[
            "false negatives",
            "",
            &shown(self.false_negatives),
            "all that is not found, not asked for",
        ]);
        table
    }

    /// What each kind costs, as bars.
    ///
    /// # Errors
    /// Never for errors that could be sorted; the bars' own checks are passed on.
    pub fn bars(&self) -> Result<Bars> {
        let bars = Bars::new(&format!("AP gained without these errors, {}", self.headline()));
        BoxErrorKind::ALL.into_iter().try_fold(bars, |bars, kind| {
            // Without an AP nothing can be gained, which is not the same as gaining nothing.
            let gain = self.gain(kind);
            let told = gain.map_or_else(|| "–".into(), percent);
            bars.bar(kind.name(), gain.unwrap_or_default(), &format!("{told} of {}", count(self.count(kind))))
        })
    }

    /// `AP50 52.3 % in 24 images`.
    fn headline(&self) -> String {
        let ap = self.ap.map_or_else(|| "–".into(), percent);
        format!("AP{:.0} {ap} in {} images", 100.0 * self.config.found_iou, count(self.images))
    }
}

impl Rich for BoxErrors {
    fn rich(&self) -> Bundle {
        let (title, table) = (format!("errors in boxes: {}", self.headline()), self.table());
        let (bars_text, bars) = match self.bars().and_then(|bars| Ok((bars.text(), bars.svg()?))) {
            Ok((text, svg)) => (text.clone(), svg_in_html(&svg, text.trim_end())),
            Err(error) => (error.to_string(), escape(&error.to_string())),
        };
        Bundle::text(format!("{title}\n{}\n{bars_text}", table.text())).html(format!(
            "<div style=\"font-size:13px\"><b>{}</b>{}{bars}</div>",
            escape(&title),
            table.html(),
        ))
    }
}

//! ROC and precision-recall curves.

use std::path::Path;

use candle_core::Tensor;
use sconce_display::Bundle;

use super::ranked::{Ranked, ranked_classes};
use super::reading::{Answers, Infinite, Logits};
use super::refused::{argument, nothing_taken_in, shape};
use crate::Result;
use crate::plot::{Curves, Table, count, number, svg_in_html};
use crate::rich::Rich;

/// A table has no more rows; of more classes those with the least area.
const ROWS: usize = 50;
/// No more classes without a curve are named.
const NAMED: usize = 20;
/// So many curves can be told apart; of more classes those with the least area are drawn.
const DRAWN: usize = 6;

/// What is gained and what is lost at each threshold, for each class against all others.
///
/// With two classes there is the curve of the second alone, as scikit-learn has it. A class without samples, and for ROC
/// one without others, has no curve; the table says so.
///
/// It keeps the logits, 4 bytes each; the points of a class are worked out when they are asked for, since those of all
/// classes would be six times as much.
#[derive(Debug, Clone, PartialEq)]
pub struct RankingCurves {
    kind: Kind,
    classes: Vec<ClassCurve>,
    logits: Logits,
    answers: Answers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Roc,
    PrecisionRecall,
}

#[derive(Debug, Clone, PartialEq)]
struct ClassCurve {
    class: usize,
    name: String,
    support: u64,
    /// `None` where there is no curve.
    area: Option<f64>,
}

/// A point of a ROC or precision-recall curve: all samples whose score is at least `threshold` are said to be of the
/// class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankingPoint {
    /// False positive rate (ROC), or recall; in `[0, 1]`.
    pub x: f64,
    /// True positive rate (ROC), or precision; in `[0, 1]`.
    pub y: f64,
    /// The probability from which samples count as of the class; infinity where none do.
    pub threshold: f64,
}

/// The ROC curve of each class against all others: true positive rate over false positive rate. Takes logits (B, C) with
/// u32 labels (B,), or logits (B, K) with f32 tags (B, K) of 0 and 1. The area is [`roc_auc`](super::roc_auc).
///
/// # Errors
/// What the metric refuses; no samples; another number of names than classes.
pub fn roc_curves<S: AsRef<str>>(
    logits: &Tensor,
    targets: &Tensor,
    class_names: &[S],
) -> Result<RankingCurves> {
    curves(Kind::Roc, logits, targets, class_names)
}

/// The precision-recall curve of each class against all others: precision over recall. Takes what [`roc_curves`] takes.
/// The area, in steps, is [`average_precision`](super::average_precision).
///
/// # Errors
/// What the metric refuses; no samples; another number of names than classes.
pub fn precision_recall_curves<S: AsRef<str>>(
    logits: &Tensor,
    targets: &Tensor,
    class_names: &[S],
) -> Result<RankingCurves> {
    curves(Kind::PrecisionRecall, logits, targets, class_names)
}

fn curves<S: AsRef<str>>(
    kind: Kind,
    logits: &Tensor,
    targets: &Tensor,
    class_names: &[S],
) -> Result<RankingCurves> {
    let op = match kind {
        Kind::Roc => "roc_curves",
        Kind::PrecisionRecall => "precision_recall_curves",
    };
    let logits = Logits::read(op, logits, Infinite::Refused)?;
    let answers = Answers::read(op, targets, [logits.len(), logits.classes()])?;
    if matches!(answers, Answers::Classes(_)) && logits.classes() == 1 {
        let hint = "For one question of yes or no give F32 targets (B, 1) of 0 and 1.";
        return Err(argument(op, "two classes or more", "1", hint));
    }
    if logits.len() == 0 {
        return Err(nothing_taken_in(op));
    }
    if class_names.len() != logits.classes() {
        return Err(shape(
            op,
            format!("{} class names", logits.classes()),
            class_names.len().to_string(),
            "Give one for each class, in the order of the logits.",
        ));
    }
    let first = usize::from(logits.classes() == 2 && matches!(answers, Answers::Classes(_)));
    let classes: Vec<usize> = (first..logits.classes()).collect();
    let curves = classes.iter().zip(ranked_classes(&logits, &answers, &classes)).map(|(&class, ranked)| {
        let (area, [support, _]) = match kind {
            Kind::Roc => ranked.roc_auc(None),
            Kind::PrecisionRecall => ranked.average_precision(None),
        };
        ClassCurve { class, name: class_names[class].as_ref().to_owned(), support, area }
    });
    let classes = curves.collect();
    Ok(RankingCurves { kind, classes, logits, answers })
}

/// The probability whose odds have this logarithm.
fn probability(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

fn roc_points(ranked: &Ranked) -> Vec<RankingPoint> {
    let [positives, negatives] = ranked.totals(None).map(|total| total as f64);
    let steps = ranked.steps(None).map(|step| RankingPoint {
        x: step.negatives as f64 / negatives,
        y: step.positives as f64 / positives,
        threshold: probability(step.score),
    });
    [RankingPoint { x: 0.0, y: 0.0, threshold: f64::INFINITY }].into_iter().chain(steps).collect()
}

fn precision_recall_points(ranked: &Ranked) -> Vec<RankingPoint> {
    let [positives, _] = ranked.totals(None).map(|total| total as f64);
    let steps = ranked.steps(None).map(|step| RankingPoint {
        x: step.positives as f64 / positives,
        y: step.positives as f64 / (step.positives + step.negatives) as f64,
        threshold: probability(step.score),
    });
    steps.collect()
}

impl RankingCurves {
    /// Each class with the area under its curve, `None` where it has none.
    #[must_use]
    pub fn by_class(&self) -> Vec<(&str, Option<f64>)> {
        self.classes.iter().map(|class| (class.name.as_str(), class.area)).collect()
    }

    /// The points of a class's curve, the highest threshold first.
    #[must_use]
    pub fn points(&self, class_name: &str) -> Option<Vec<RankingPoint>> {
        let found = self.classes.iter().find(|class| class.name == class_name && class.area.is_some())?;
        self.points_of(&[found]).pop()
    }

    /// The points of these classes.
    fn points_of(&self, classes: &[&ClassCurve]) -> Vec<Vec<RankingPoint>> {
        let classes: Vec<usize> = classes.iter().map(|class| class.class).collect();
        let ranked = ranked_classes(&self.logits, &self.answers, &classes);
        let points = ranked.map(|ranked| match self.kind {
            Kind::Roc => roc_points(&ranked),
            Kind::PrecisionRecall => precision_recall_points(&ranked),
        });
        points.collect()
    }

    fn area_name(&self) -> &'static str {
        match self.kind {
            Kind::Roc => "ROC AUC",
            Kind::PrecisionRecall => "AP",
        }
    }

    fn title(&self, drawn: usize) -> String {
        let what = match self.kind {
            Kind::Roc => "ROC",
            Kind::PrecisionRecall => "precision and recall",
        };
        let all = self.classes.iter().filter(|class| class.area.is_some()).count();
        if drawn < all {
            format!("{what}: the {drawn} of {all} classes with the least area")
        } else {
            what.to_owned()
        }
    }

    /// The curves to be drawn: all, or of many classes those with the least area.
    #[must_use]
    pub fn curves(&self) -> Curves {
        let area = |class: &&ClassCurve| class.area.unwrap_or(f64::INFINITY);
        let mut drawn: Vec<&ClassCurve> = self.classes.iter().filter(|class| class.area.is_some()).collect();
        if drawn.len() > DRAWN {
            drawn.sort_by(|a, b| area(a).total_cmp(&area(b)));
            drawn.truncate(DRAWN);
        }
        let [x_label, y_label] = match self.kind {
            Kind::Roc => ["false positive rate", "true positive rate"],
            Kind::PrecisionRecall => ["recall", "precision"],
        };
        let mut curves =
            Curves::new(&self.title(drawn.len())).x_label(x_label).y_label(y_label).y_range(0.0..1.0);
        let points = self.points_of(&drawn);
        for (class, points) in drawn.into_iter().zip(points) {
            let area = class.area.map_or_else(String::new, number);
            let points = match self.kind {
                Kind::Roc => points.iter().map(|point| (point.x, point.y)).collect(),
                Kind::PrecisionRecall => stairs(&points),
            };
            curves = curves.series(&format!("{} ({area})", class.name), &points);
        }
        match self.kind {
            Kind::Roc => curves.series("chance", &[(0.0, 0.0), (1.0, 1.0)]),
            Kind::PrecisionRecall => curves,
        }
    }

    /// The areas as a table.
    #[must_use]
    pub fn text(&self) -> String {
        let mut table = Table::new(&["class", self.area_name(), "samples"]);
        let mut shown: Vec<&ClassCurve> = self.classes.iter().collect();
        if shown.len() > ROWS {
            let area = |class: &ClassCurve| class.area.unwrap_or(f64::INFINITY);
            shown.sort_by(|a, b| area(a).total_cmp(&area(b)));
            shown.truncate(ROWS);
        }
        for class in shown {
            let area = class.area.map_or_else(|| "–".to_owned(), number);
            let support = count(usize::try_from(class.support).unwrap_or(usize::MAX));
            table.push(&[class.name.clone(), area, support]);
        }
        if let Some(more) = self.classes.len().checked_sub(ROWS).filter(|&more| more > 0) {
            table.push(&[format!("and {} with a larger area or none", count(more))]);
        }
        let missing: Vec<&str> = self
            .classes
            .iter()
            .filter(|class| class.area.is_none())
            .map(|class| class.name.as_str())
            .collect();
        let none = match missing.is_empty() {
            true => String::new(),
            false => {
                let named = missing[..missing.len().min(NAMED)].join(", ");
                let more = match missing.len().saturating_sub(NAMED) {
                    0 => String::new(),
                    more => format!(" and {} more", count(more)),
                };
                format!("no curve without samples of a class and others: {named}{more}\n")
            }
        };
        format!("{}{none}", table.text())
    }

    /// The curves as an SVG.
    ///
    /// # Errors
    /// When plotters refuses.
    pub fn svg(&self) -> Result<String> {
        self.curves().svg()
    }

    /// Writes the curves to a file that ends with `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.curves().save(path)
    }
}

/// Precision stays at what it is at the next point until recall gets there: that is what average precision sums up.
fn stairs(points: &[RankingPoint]) -> Vec<(f64, f64)> {
    let mut recall = 0.0;
    let mut stairs = Vec::with_capacity(points.len() * 2);
    for point in points {
        // No step to the right: lower thresholds only bring what is not of the class.
        if point.x <= recall {
            continue;
        }
        stairs.push((recall, point.y));
        stairs.push((point.x, point.y));
        recall = point.x;
    }
    stairs
}

impl Rich for RankingCurves {
    fn rich(&self) -> Bundle {
        let text = self.text();
        match self.svg() {
            Ok(svg) => Bundle::text(text.clone()).html(svg_in_html(&svg, text.trim_end())),
            Err(error) => Bundle::text(format!("{text}({error})\n")),
        }
    }
}

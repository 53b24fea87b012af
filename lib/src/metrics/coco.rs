use sconce_display::Bundle;

use super::box_evaluation::{BoxEvaluation, ImageBoxes};
use super::box_matching::{MOST_FOUND, best_match, by_score, overlap, surest, wanted};
use super::boxes::{FoundBox, area};
use crate::plot::{Table, escape, percent};
use crate::rich::Rich;

/// IoU from 0.5 to 0.95 in steps of 0.05.
const THRESHOLDS: usize = 10;
/// Recall from 0 to 1 in steps of 0.01.
const RECALLS: usize = 101;
/// The most detections of an image that count.
const MOST: [usize; 3] = [1, 10, MOST_FOUND];
/// Pixels: all, small, medium and large things. Both ends belong to a range.
const AREAS: [[f64; 2]; 4] = [[0.0, 1e10], [0.0, 1024.0], [1024.0, 9216.0], [9216.0, 1e10]];
const SMALL: usize = 1;
const MEDIUM: usize = 2;
const LARGE: usize = 3;
/// What `pycocotools` adds to a sum that it divides by.
const TINY: f64 = f64::EPSILON;

/// The twelve numbers by which COCO judges boxes (Lin et al. 2014), the same as those of `pycocotools`, and the average
/// precision of each class.
///
/// A number is the mean over the classes that have something of that size, in `[0, 1]`; `None` where no class has.
#[derive(Debug, Clone, PartialEq)]
pub struct CocoScores {
    class_names: Vec<String>,
    images: usize,
    /// For each class and range of areas, what there is to be said; `None` without a thing to find.
    classes: Vec<[Option<ClassScores>; AREAS.len()]>,
}

/// How well the things of one class, and of one range of areas, are found.
#[derive(Debug, Clone, PartialEq)]
struct ClassScores {
    /// The mean precision over all recalls, for each IoU, with 100 detections an image.
    precision: [f64; THRESHOLDS],
    /// The greatest recall for each of [`MOST`] and each IoU.
    recall: [[f64; THRESHOLDS]; MOST.len()],
}

/// A detection among all images: whether it is of something, and whether it counts.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    matched: bool,
    ignored: bool,
}

/// One image and class: scores of the detections, the surest first, and their verdicts at each IoU.
struct Judged {
    scores: Vec<f64>,
    verdicts: Vec<[Verdict; THRESHOLDS]>,
    /// Things that count.
    wanted: usize,
}

impl CocoScores {
    pub(super) fn of(detections: &BoxEvaluation) -> CocoScores {
        let classes = 0..detections.class_names.len() as u32;
        let of_class = |label: u32| AREAS.map(|range| class_scores(&detections.images, label, range));
        CocoScores {
            class_names: detections.class_names.clone(),
            images: detections.len(),
            classes: classes.map(of_class).collect(),
        }
    }

    /// AP: the mean over IoUs from 0.5 to 0.95, COCO's first number.
    #[must_use]
    pub fn ap(&self) -> Option<f64> {
        self.precision(0, 0..THRESHOLDS)
    }

    /// AP at an IoU of 0.5: a box that is roughly right counts.
    #[must_use]
    pub fn ap50(&self) -> Option<f64> {
        self.precision(0, 0..1)
    }

    /// AP at an IoU of 0.75.
    #[must_use]
    pub fn ap75(&self) -> Option<f64> {
        self.precision(0, 5..6)
    }

    /// AP of things of up to 32² pixels.
    #[must_use]
    pub fn ap_small(&self) -> Option<f64> {
        self.precision(SMALL, 0..THRESHOLDS)
    }

    /// AP of things from 32² to 96² pixels.
    #[must_use]
    pub fn ap_medium(&self) -> Option<f64> {
        self.precision(MEDIUM, 0..THRESHOLDS)
    }

    /// AP of things of 96² pixels and more.
    #[must_use]
    pub fn ap_large(&self) -> Option<f64> {
        self.precision(LARGE, 0..THRESHOLDS)
    }

    /// AR with one detection an image, of each class.
    #[must_use]
    pub fn ar_1(&self) -> Option<f64> {
        self.recall(0, 0)
    }

    /// AR with ten detections an image.
    #[must_use]
    pub fn ar_10(&self) -> Option<f64> {
        self.recall(0, 1)
    }

    /// AR, the recall that is reached, a mean over IoUs from 0.5 to 0.95, with 100 detections an image.
    #[must_use]
    pub fn ar_100(&self) -> Option<f64> {
        self.recall(0, 2)
    }

    /// AR of things of up to 32² pixels.
    #[must_use]
    pub fn ar_small(&self) -> Option<f64> {
        self.recall(SMALL, 2)
    }

    /// AR of things from 32² to 96² pixels.
    #[must_use]
    pub fn ar_medium(&self) -> Option<f64> {
        self.recall(MEDIUM, 2)
    }

    /// AR of things of 96² pixels and more.
    #[must_use]
    pub fn ar_large(&self) -> Option<f64> {
        self.recall(LARGE, 2)
    }

    /// The name, the AP and the AP at an IoU of 0.5 of each class; `None` for a class of which there is nothing.
    #[must_use]
    pub fn by_class(&self) -> Vec<(&str, Option<f64>, Option<f64>)> {
        let rows = self.class_names.iter().zip(&self.classes).map(|(name, [scores, ..])| {
            let ap = scores.as_ref().and_then(|scores| mean(scores.precision.iter().copied()));
            (name.as_str(), ap, scores.as_ref().map(|scores| scores.precision[0]))
        });
        rows.collect()
    }

    /// The twelve numbers with their names, in the order of COCO.
    #[must_use]
    pub fn numbers(&self) -> [(&'static str, Option<f64>); 12] {
        [
            ("AP", self.ap()),
            ("AP50", self.ap50()),
            ("AP75", self.ap75()),
            ("AP small", self.ap_small()),
            ("AP medium", self.ap_medium()),
            ("AP large", self.ap_large()),
            ("AR 1", self.ar_1()),
            ("AR 10", self.ar_10()),
            ("AR 100", self.ar_100()),
            ("AR small", self.ar_small()),
            ("AR medium", self.ar_medium()),
            ("AR large", self.ar_large()),
        ]
    }

    fn in_range(&self, range: usize) -> impl Iterator<Item = &ClassScores> {
        self.classes.iter().filter_map(move |class| class[range].as_ref())
    }

    fn precision(&self, range: usize, thresholds: std::ops::Range<usize>) -> Option<f64> {
        mean(self.in_range(range).flat_map(|scores| scores.precision[thresholds.clone()].iter().copied()))
    }

    fn recall(&self, range: usize, most: usize) -> Option<f64> {
        mean(self.in_range(range).flat_map(|scores| scores.recall[most].iter().copied()))
    }

    /// The twelve numbers in a table, with what they mean.
    #[must_use]
    pub fn table(&self) -> Table {
        let meanings = [
            "IoU 0.50 to 0.95",
            "IoU 0.50",
            "IoU 0.75",
            "up to 32² pixels",
            "32² to 96² pixels",
            "from 96² pixels",
            "1 detection an image",
            "10 detections an image",
            "100 detections an image",
            "up to 32² pixels",
            "32² to 96² pixels",
            "from 96² pixels",
        ];
        let mut table = Table::new(&["", "", "of"]);
        for ((name, value), meaning) in self.numbers().into_iter().zip(meanings) {
            table.push(&[name, &shown(value), meaning]);
        }
        table
    }

    fn class_table(&self) -> Table {
        let mut table = Table::new(&["class", "AP", "AP50"]);
        for (name, ap, ap50) in self.by_class() {
            table.push(&[name, &shown(ap), &shown(ap50)]);
        }
        table
    }
}

fn shown(value: Option<f64>) -> String {
    value.map_or_else(|| "–".into(), percent)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

/// The points that numpy's `linspace` puts between two ends.
fn point(from: f64, to: f64, at: usize, points: usize) -> f64 {
    if at + 1 == points { to } else { at as f64 * ((to - from) / (points - 1) as f64) + from }
}

/// What was found of one class in one image, against what is there.
fn judged(image: &ImageBoxes, label: u32, range: [f64; 2]) -> Judged {
    let outside = |area: f64| area < range[0] || area > range[1];
    let wanted = wanted(image, label, |truth| outside(truth.area.unwrap_or_else(|| area(truth.corners))));
    let found: Vec<&FoundBox> = surest(image, label).into_iter().map(|(_, found)| found).collect();

    let overlaps: Vec<Vec<f64>> =
        found.iter().map(|found| wanted.iter().map(|thing| overlap(found, thing.truth)).collect()).collect();
    let mut verdicts = vec![[Verdict { matched: false, ignored: false }; THRESHOLDS]; found.len()];
    for threshold in 0..THRESHOLDS {
        let least = point(0.5, 0.95, threshold, THRESHOLDS).min(1.0 - 1e-10);
        let mut taken = vec![false; wanted.len()];
        for ((found, overlaps), verdicts) in found.iter().zip(&overlaps).zip(&mut verdicts) {
            verdicts[threshold] = match best_match(&wanted, overlaps, &taken, least) {
                Some(at) => {
                    taken[at] = true;
                    Verdict { matched: true, ignored: wanted[at].ignored }
                }
                None => Verdict { matched: false, ignored: outside(area(found.corners)) },
            };
        }
    }
    let counted = wanted.iter().filter(|thing| !thing.ignored).count();
    Judged { scores: found.iter().map(|found| found.score).collect(), verdicts, wanted: counted }
}

fn class_scores(images: &[ImageBoxes], label: u32, range: [f64; 2]) -> Option<ClassScores> {
    let judged: Vec<Judged> = images.iter().map(|image| judged(image, label, range)).collect();
    let wanted: usize = judged.iter().map(|judged| judged.wanted).sum();
    if wanted == 0 {
        return None;
    }
    let mut scores = ClassScores { precision: [0.0; THRESHOLDS], recall: [[0.0; THRESHOLDS]; MOST.len()] };
    for (at, &most) in MOST.iter().enumerate() {
        let first = || judged.iter().flat_map(|judged| judged.scores.iter().zip(&judged.verdicts).take(most));
        let order = by_score(&first().map(|(score, _)| *score).collect::<Vec<_>>());
        let verdicts: Vec<&[Verdict; THRESHOLDS]> = first().map(|(_, verdicts)| verdicts).collect();
        let curve = |threshold: usize| {
            let (mut right, mut wrong) = (0_usize, 0_usize);
            let point = |&detection: &usize| {
                let Verdict { matched, ignored } = verdicts[detection][threshold];
                right += usize::from(matched && !ignored);
                wrong += usize::from(!matched && !ignored);
                recall_and_precision([right, wrong], wanted)
            };
            order.iter().map(point).collect::<Vec<_>>()
        };
        for (threshold, recall) in scores.recall[at].iter_mut().enumerate() {
            let curve = curve(threshold);
            *recall = curve.last().map_or(0.0, |[recall, _]| *recall);
            if most == MOST[2] {
                scores.precision[threshold] = mean_precision(curve);
            }
        }
    }
    Some(scores)
}

/// How much is found after so many `[right, wrong]` detections, of so many things, and how much of what is found is right.
pub(super) fn recall_and_precision([right, wrong]: [usize; 2], wanted: usize) -> [f64; 2] {
    [right as f64 / wanted as f64, right as f64 / ((wrong + right) as f64 + TINY)]
}

/// The mean over [`RECALLS`] of the best precision at that recall or more, for points of recall and precision.
pub(super) fn mean_precision(mut curve: Vec<[f64; 2]>) -> f64 {
    for at in (1..curve.len()).rev() {
        curve[at - 1][1] = curve[at - 1][1].max(curve[at][1]);
    }
    let reached = (0..RECALLS).map(|at| {
        let recall = point(0.0, 1.0, at, RECALLS);
        let first = curve.partition_point(|[reached, _]| *reached < recall);
        curve.get(first).map_or(0.0, |[_, precision]| *precision)
    });
    reached.sum::<f64>() / RECALLS as f64
}

impl Rich for CocoScores {
    fn rich(&self) -> Bundle {
        let title = format!("boxes in {} images", self.images);
        let (table, classes) = (self.table(), self.class_table());
        let text = format!("{title}\n{}\n{}", table.text(), classes.text());
        Bundle::text(text).html(format!(
            "<div style=\"font-size:13px\"><b>{}</b><div style=\"display:flex;gap:32px;flex-wrap:wrap;align-items:flex-start\">{}{}</div></div>",
            escape(&title),
            table.html(),
            classes.html(),
        ))
    }
}

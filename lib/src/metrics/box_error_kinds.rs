//! Sorts what is wrong with boxes into kinds, and finds out what AP there would be without each kind.

use super::box_errors::{BoxError, BoxErrorConfig, BoxErrorKind};
use super::box_evaluation::{BoxEvaluation, ImageBoxes};
use super::box_matching::{best_match, by_score, overlap, surest, wanted};
use super::boxes::iou;
use super::coco::{mean_precision, recall_and_precision};

/// All detections that count, all errors, and how many things of each class there are.
pub(super) struct Sorted {
    /// Image by image, the surest of each first.
    detections: Vec<Detection>,
    pub(super) errors: Vec<BoxError>,
    /// What becomes of AP's sums when the error at the same place is mended.
    mended: Vec<Mended>,
    wanted: Vec<usize>,
    unmatched: Vec<usize>,
}

struct Detection {
    label: u32,
    score: f64,
    right: bool,
    /// The place of its error, if it is wrong.
    error: Option<usize>,
}

/// What an error becomes once it is mended.
#[derive(Clone, Copy)]
enum Mended {
    /// A right detection of this class.
    Right(u32),
    /// Nothing: the detection goes.
    Gone,
    /// One thing less of this class to be found.
    NotWanted(u32),
}

/// What is imagined to be mended.
#[derive(Clone, Copy)]
pub(super) enum Without {
    Nothing,
    Kind(BoxErrorKind),
    /// Everything wrong has a lower score than all that is right.
    FalsePositives,
    /// What no detection is of is not wanted.
    FalseNegatives,
}

/// What became of a detection.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    /// Too many of its class are surer: nobody looks at it.
    NotSeen,
    Right,
    /// It is of something that does not count.
    Ignored,
    Wrong,
}

impl Sorted {
    pub(super) fn of(evaluation: &BoxEvaluation, config: BoxErrorConfig) -> Sorted {
        let classes = evaluation.class_names.len();
        let mut sorted = Sorted {
            detections: Vec::new(),
            errors: Vec::new(),
            mended: Vec::new(),
            wanted: vec![0; classes],
            unmatched: vec![0; classes],
        };
        for (at, image) in evaluation.images.iter().enumerate() {
            sorted.take_in(at, image, config);
        }
        sorted
    }

    fn take_in(&mut self, number: usize, image: &ImageBoxes, config: BoxErrorConfig) {
        let (fates, taken) = matched(image, config.found_iou);
        // Of several detections that could be made to be of one thing, only the surest would be.
        let mut claimed = taken.clone();
        for at in by_score(&image.found.iter().map(|found| found.score).collect::<Vec<_>>()) {
            let (fate, found) = (fates[at], &image.found[at]);
            if matches!(fate, Fate::NotSeen | Fate::Ignored) {
                continue;
            }
            let error = (fate == Fate::Wrong).then(|| {
                let (kind, of) = kind_of(image, at, config);
                let mends = matches!(kind, BoxErrorKind::Class | BoxErrorKind::Location);
                let free = of.filter(|&of| mends && !claimed[of]);
                let mended = free.map_or(Mended::Gone, |of| {
                    claimed[of] = true;
                    Mended::Right(image.truths[of].label)
                });
                let truth = of.map(|of| image.truths[of].clone());
                self.push(BoxError { kind, image: number, found: Some(found.clone()), truth }, mended)
            });
            let right = error.is_none();
            self.detections.push(Detection { label: found.label, score: found.score, right, error });
        }
        for (at, truth) in image.truths.iter().enumerate().filter(|(_, truth)| !truth.ignore) {
            let class = truth.label as usize;
            self.wanted[class] += 1;
            self.unmatched[class] += usize::from(!taken[at]);
            if !claimed[at] {
                let kind = BoxErrorKind::Missed;
                let error = BoxError { kind, image: number, found: None, truth: Some(truth.clone()) };
                self.push(error, Mended::NotWanted(truth.label));
            }
        }
    }

    fn push(&mut self, error: BoxError, mended: Mended) -> usize {
        self.errors.push(error);
        self.mended.push(mended);
        self.errors.len() - 1
    }

    /// The mean AP of the classes of which there is something; `None` where there is nothing at all.
    pub(super) fn ap(&self, without: Without) -> Option<f64> {
        let gone = |error: usize| matches!(without, Without::Kind(kind) if self.errors[error].kind == kind);
        let mut wanted = self.wanted.clone();
        let mut of_class: Vec<Vec<(f64, bool)>> = vec![Vec::new(); wanted.len()];
        for detection in &self.detections {
            let Detection { label, score, right, error } = *detection;
            let (label, right) = match error.filter(|&error| gone(error)).map(|error| self.mended[error]) {
                None => (label, right),
                Some(Mended::Right(label)) => (label, true),
                Some(Mended::Gone | Mended::NotWanted(_)) => continue,
            };
            let score = match without {
                Without::FalsePositives => f64::from(u8::from(right)),
                _ => score,
            };
            of_class[label as usize].push((score, right));
        }
        for (at, mended) in self.mended.iter().enumerate() {
            if let (Mended::NotWanted(label), true) = (*mended, gone(at)) {
                wanted[label as usize] -= 1;
            }
        }
        if let Without::FalseNegatives = without {
            wanted.iter_mut().zip(&self.unmatched).for_each(|(wanted, unmatched)| *wanted -= unmatched);
        }
        if self.wanted.iter().all(|&wanted| wanted == 0) {
            return None;
        }
        let classes = self.wanted.iter().zip(&wanted).zip(of_class);
        let classes = classes.filter(|((before, wanted), found)| {
            // Of a class of which nothing is left there is nothing to be said.
            **before > 0 && (**wanted > 0 || !found.is_empty())
        });
        let aps: Vec<f64> = classes.map(|((_, &wanted), found)| average_precision(&found, wanted)).collect();
        // Nothing wanted and nothing found is as good as it gets.
        Some(if aps.is_empty() { 1.0 } else { aps.iter().sum::<f64>() / aps.len() as f64 })
    }
}

/// What becomes of each detection of an image, and which things have one of them.
fn matched(image: &ImageBoxes, found_iou: f64) -> (Vec<Fate>, Vec<bool>) {
    let mut fates = vec![Fate::NotSeen; image.found.len()];
    let mut taken = vec![false; image.truths.len()];
    let mut labels: Vec<u32> = image.found.iter().map(|found| found.label).collect();
    labels.sort_unstable();
    labels.dedup();
    for label in labels {
        let wanted = wanted(image, label, |_| false);
        let mut taken_here = vec![false; wanted.len()];
        for (at, found) in surest(image, label) {
            let overlaps: Vec<f64> = wanted.iter().map(|thing| overlap(found, thing.truth)).collect();
            // COCO's guard for a threshold of 1, which no rounded IoU would reach.
            let best = best_match(&wanted, &overlaps, &taken_here, found_iou.min(1.0 - 1e-10));
            fates[at] = match best {
                None => Fate::Wrong,
                Some(best) => {
                    taken_here[best] = true;
                    taken[wanted[best].at] = true;
                    if wanted[best].ignored { Fate::Ignored } else { Fate::Right }
                }
            };
        }
    }
    (fates, taken)
}

/// What is wrong with a detection, and the thing that it is about, by its place.
fn kind_of(image: &ImageBoxes, at: usize, config: BoxErrorConfig) -> (BoxErrorKind, Option<usize>) {
    let BoxErrorConfig { found_iou, background_iou } = config;
    let found = &image.found[at];
    let best = |of_class: bool| {
        let truths = image.truths.iter().enumerate().filter(|(_, truth)| !truth.ignore);
        let truths = truths.filter(|(_, truth)| (truth.label == found.label) == of_class);
        let overlaps = truths.map(|(at, truth)| (at, iou(found.corners, truth.corners)));
        // Of equal ones the first.
        overlaps.fold((None, 0.0), |best, (at, iou)| if iou > best.1 { (Some(at), iou) } else { best })
    };
    let ((same, same_iou), (other, other_iou)) = (best(true), best(false));
    if same_iou >= background_iou && same_iou < found_iou {
        (BoxErrorKind::Location, same)
    } else if other_iou >= found_iou {
        (BoxErrorKind::Class, other)
    } else if same_iou >= found_iou {
        // Whatever it lies on well enough has been taken: it would be right otherwise.
        (BoxErrorKind::Duplicate, same)
    } else if other_iou <= background_iou {
        (BoxErrorKind::Background, None)
    } else {
        (BoxErrorKind::Both, other)
    }
}

/// COCO's AP of detections with their scores and whether they are right.
fn average_precision(found: &[(f64, bool)], wanted: usize) -> f64 {
    if wanted == 0 {
        return 0.0;
    }
    let order = by_score(&found.iter().map(|(score, _)| *score).collect::<Vec<_>>());
    let mut counted = [0; 2];
    let curve = order.into_iter().map(|at| {
        counted[usize::from(!found[at].1)] += 1;
        recall_and_precision(counted, wanted)
    });
    mean_precision(curve.collect())
}

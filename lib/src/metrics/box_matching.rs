//! Which thing a detection is taken to be of, as COCO has it (Lin et al. 2014, `pycocotools`).

use super::box_evaluation::ImageBoxes;
use super::boxes::{FoundBox, TrueBox, area, intersection, iou};

/// The most detections of a class and an image that are looked at, the surest ones.
pub(super) const MOST_FOUND: usize = 100;

/// A thing that a detection may be of.
pub(super) struct Wanted<'a> {
    /// Its place among the things of the image.
    pub(super) at: usize,
    pub(super) truth: &'a TrueBox,
    /// Whether neither it nor a detection of it counts.
    pub(super) ignored: bool,
}

/// The things of a class, those that count first; `left_out` tells of others that do not count, beside those that say so
/// themselves.
pub(super) fn wanted(image: &ImageBoxes, label: u32, left_out: impl Fn(&TrueBox) -> bool) -> Vec<Wanted<'_>> {
    let truths = image.truths.iter().enumerate().filter(|(_, truth)| truth.label == label);
    let wanted = truths.map(|(at, truth)| Wanted { at, truth, ignored: truth.ignore || left_out(truth) });
    let mut wanted: Vec<Wanted> = wanted.collect();
    wanted.sort_by_key(|wanted| wanted.ignored);
    wanted
}

/// The surest first, those before in the list first where scores are equal.
pub(super) fn by_score(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

/// The detections of a class that are looked at, the surest first, with their places among those of the image.
pub(super) fn surest(image: &ImageBoxes, label: u32) -> Vec<(usize, &FoundBox)> {
    let found = image.found.iter().enumerate().filter(|(_, found)| found.label == label);
    let found: Vec<(usize, &FoundBox)> = found.collect();
    let order = by_score(&found.iter().map(|(_, found)| found.score).collect::<Vec<_>>());
    order.into_iter().take(MOST_FOUND).map(|at| found[at]).collect()
}

/// The IoU; with a group, the share of the detection that lies in it.
pub(super) fn overlap(found: &FoundBox, truth: &TrueBox) -> f64 {
    if !truth.ignore {
        return iou(found.corners, truth.corners);
    }
    let area = area(found.corners);
    if area > 0.0 { intersection(found.corners, truth.corners) / area } else { 0.0 }
}

/// The thing that the next detection takes: of those that nothing has taken yet the one that it lies on best, if it lies
/// on it with at least `least`. A group can be taken again and again.
pub(super) fn best_match(wanted: &[Wanted], overlaps: &[f64], taken: &[bool], least: f64) -> Option<usize> {
    let mut best: Option<usize> = None;
    let mut reached = least;
    for (at, thing) in wanted.iter().enumerate() {
        if taken[at] && !thing.truth.ignore {
            continue;
        }
        // What counts goes before what does not, however well that fits.
        if thing.ignored && best.is_some_and(|best| !wanted[best].ignored) {
            break;
        }
        if overlaps[at] >= reached {
            (best, reached) = (Some(at), overlaps[at]);
        }
    }
    best
}

//! Scores in order, and how well the order parts what is right from what is not.

use super::reading::{Answers, Logits};

/// The scores of one class in descending order.
#[derive(Debug, Clone)]
pub(super) struct Ranked {
    scores: Vec<Score>,
}

#[derive(Debug, Clone, Copy)]
struct Score {
    value: f64,
    sample: u32,
    positive: bool,
}

/// How much is said to be of the class down to a score, ties taken together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    pub(super) score: f64,
    pub(super) positives: u64,
    pub(super) negatives: u64,
}

impl Ranked {
    /// Scores with the sample that each is of and whether the class is there.
    fn new(scores: impl Iterator<Item = (f64, usize, bool)>) -> Ranked {
        let mut scores: Vec<Score> = scores
            .map(|(value, sample, positive)| Score { value, sample: sample as u32, positive })
            .collect();
        scores.sort_by(|a, b| b.value.total_cmp(&a.value));
        Ranked { scores }
    }

    /// The steps down the order, each with all that is above it and in it. `times` says how often each sample counts.
    pub(super) fn steps(&self, times: Option<&[u32]>) -> impl Iterator<Item = Step> {
        let (mut positives, mut negatives) = (0, 0);
        self.scores.iter().enumerate().filter_map(move |(at, score)| {
            let times = times
                .map_or(1, |times| times.get(score.sample as usize).map_or(0, |&times| u64::from(times)));
            if score.positive {
                positives += times;
            } else {
                negatives += times;
            }
            let next = self.scores.get(at + 1);
            // -0 and 0 are the same score.
            next.is_none_or(|next| next.value != score.value).then_some(Step {
                score: score.value,
                positives,
                negatives,
            })
        })
    }

    /// How many samples are of the class, and how many are not.
    pub(super) fn totals(&self, times: Option<&[u32]>) -> [u64; 2] {
        self.steps(times).last().map_or([0, 0], |step| [step.positives, step.negatives])
    }

    /// The area under the ROC curve: how often a sample of the class scores higher than another, ties as one half.
    /// `None` if one of them is missing. Also how many there are of each.
    pub(super) fn roc_auc(&self, times: Option<&[u32]>) -> (Option<f64>, [u64; 2]) {
        // Twice the area, in whole numbers.
        let (mut area, mut last) = (0u128, [0u64; 2]);
        for step in self.steps(times) {
            area += u128::from(step.negatives - last[1]) * u128::from(step.positives + last[0]);
            last = [step.positives, step.negatives];
        }
        let all = 2 * u128::from(last[0]) * u128::from(last[1]);
        ((all > 0).then(|| area as f64 / all as f64), last)
    }

    /// The mean precision at each sample of the class that is found: the area under the precision-recall curve in steps,
    /// without interpolation. `None` if there is no sample of the class. Also how many there are, and how many others.
    pub(super) fn average_precision(&self, times: Option<&[u32]>) -> (Option<f64>, [u64; 2]) {
        let (mut sum, mut last) = (0.0, [0u64; 2]);
        for step in self.steps(times) {
            if step.positives > last[0] {
                let precision = step.positives as f64 / (step.positives + step.negatives) as f64;
                sum += (step.positives - last[0]) as f64 * precision;
            }
            last = [step.positives, step.negatives];
        }
        ((last[0] > 0).then(|| sum / last[0] as f64), last)
    }
}

/// What a row of logits holds beside its largest, so that the odds of each class need no further sum.
struct Odds {
    largest: usize,
    peak: f64,
    /// The others' share beside the largest, which is 1.
    others: f64,
    /// The logarithm of the odds of the largest.
    best: f64,
}

impl Odds {
    fn of(row: &[f32]) -> Odds {
        let largest = super::reading::largest(row) as usize;
        let peak = f64::from(row[largest]);
        let rest =
            || row.iter().enumerate().filter(|(class, _)| *class != largest).map(|(_, &z)| f64::from(z));
        let second = rest().fold(f64::NEG_INFINITY, f64::max);
        let others = rest().map(|z| (z - peak).exp()).sum();
        let best = peak - second - rest().map(|z| (z - second).exp()).sum::<f64>().ln();
        Odds { largest, peak, others, best }
    }

    /// The logarithm of how likely a class is against all others together. It orders as the probability does, and still
    /// differs where probabilities are too close to 1 to differ.
    fn log(&self, row: &[f32], class: usize) -> f64 {
        if class == self.largest {
            return self.best;
        }
        let below = f64::from(row[class]) - self.peak;
        below - (1.0 + (self.others - below.exp()).max(0.0)).ln()
    }
}

/// The scores of each of these classes against all others, in order. Each is made when it is asked for: it takes four times the
/// memory of its logits, and half of that once more while it is sorted.
pub(super) fn ranked_classes<'a>(
    logits: &'a Logits,
    answers: &'a Answers,
    classes: &'a [usize],
) -> impl Iterator<Item = Ranked> + 'a {
    let odds = odds(logits, answers);
    let ranked = move |&class: &usize| {
        Ranked::new(logits.rows().enumerate().map(|(sample, row)| {
            let score = odds.get(sample).map_or_else(|| f64::from(row[class]), |odds| odds.log(row, class));
            (score, sample, answers.holds(logits.classes(), sample, class))
        }))
    };
    classes.iter().map(ranked)
}

/// The scores of all classes in one order.
pub(super) fn ranked_together(logits: &Logits, answers: &Answers) -> Ranked {
    let odds = odds(logits, answers);
    let (odds, classes) = (&odds, logits.classes());
    Ranked::new(logits.rows().enumerate().flat_map(|(sample, row)| {
        (0..classes).map(move |class| {
            let score = odds.get(sample).map_or_else(|| f64::from(row[class]), |odds| odds.log(row, class));
            (score, sample, answers.holds(classes, sample, class))
        })
    }))
}

/// For classes that exclude each other. A tag's logit is the logarithm of its odds.
fn odds(logits: &Logits, answers: &Answers) -> Vec<Odds> {
    match answers {
        Answers::Classes(_) => logits.rows().map(Odds::of).collect(),
        Answers::Tags(_) => Vec::new(),
    }
}

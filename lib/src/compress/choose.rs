//! Which channels go.

use std::collections::BTreeMap;

use super::groups::{Group, Owners, owners};
use super::named::meant;
use super::prepared::Prepared;
use super::prune::{PruneConfig, Scope};
use super::trace::Trace;
use super::whole::Whole;
use crate::{Error, Result};

/// What rounding may make of a whole number.
const ROUNDING: f64 = 1e-9;

/// The groups with what each of their sets counts, and what may be taken of them.
pub(super) struct Choice<'a> {
    trace: &'a Trace,
    groups: &'a [Group],
    /// For each group, its sets from the one that counts least.
    ranked: Vec<Vec<(u32, f64)>>,
    /// For each group the share of its sets that may go.
    most: Vec<f64>,
    whole: &'a Whole,
    owners: Owners,
    config: &'a PruneConfig,
}

impl<'a> Choice<'a> {
    pub(super) fn new(prepared: &'a Prepared, config: &'a PruneConfig) -> Result<Choice<'a>> {
        let Prepared { parts, trace, groups, scores, whole } = prepared;
        let of_pattern = |pattern: &String| {
            meant(pattern, &parts.graph, trace, groups).ok_or_else(|| {
                let names: Vec<&str> =
                    groups.iter().flat_map(|group| &group.layers).map(String::as_str).collect();
                refused(
                    format!("the name of one of {}", names.join(", ")),
                    format!("{pattern:?}"),
                    "These are the layers whose channels can be removed; * stands for any characters.",
                )
            })
        };
        if let Some((pattern, limit)) = config.limits.iter().find(|(_, limit)| !(0.0..=1.0).contains(limit)) {
            return Err(refused("a limit from 0 to 1".into(), format!("{limit} for {pattern:?}"), ""));
        }
        let mut most = vec![1.0_f64; groups.len()];
        let excluded = config.exclude.iter().map(|pattern| (pattern, 0.0));
        let limits = config.limits.iter().map(|(pattern, limit)| (pattern, *limit));
        for (pattern, limit) in excluded.chain(limits) {
            let meant = of_pattern(pattern)?;
            most.iter_mut()
                .zip(meant)
                .filter(|(_, meant)| *meant)
                .for_each(|(most, _)| *most = most.min(limit));
        }
        let mut ranked = Vec::with_capacity(groups.len());
        for (group, &limit) in groups.iter().zip(&most) {
            let mut sets = Vec::with_capacity(group.sets.len());
            for &set in &group.sets {
                match scores.get(set as usize).copied().flatten() {
                    Some(score) if score.is_finite() => sets.push((set, score)),
                    Some(score) => {
                        let got = format!("{score} for a channel of {}", group.name());
                        return Err(refused(
                            "finite weights".into(),
                            got,
                            "Train the model anew, or load it.",
                        ));
                    }
                    None if limit == 0.0 => sets.push((set, 0.0)),
                    None => {
                        let expected = "channels that all have what they are ranked by".into();
                        let got = format!("none for {}, which has no batch norm", group.name());
                        return Err(refused(expected, got, "Rank by Importance::L2, or exclude the layer."));
                    }
                }
            }
            // By the channels' order where they count the same.
            sets.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
            ranked.push(sets);
        }
        Ok(Choice { trace, groups, ranked, most, whole, owners: owners(trace), config })
    }

    /// What stands for the sets that go where this share of all is to go.
    pub(super) fn removed(&self, ratio: f64) -> Vec<bool> {
        let counts = match self.config.scope {
            Scope::Uniform => (0..self.groups.len())
                .map(|group| self.still(group, ratio).round().max(0.0) as usize)
                .collect(),
            Scope::Global => self.global(ratio),
        };
        self.take(counts)
    }

    /// How many sets of a group have still to go for this share of its whole, below 0 where more have gone.
    fn still(&self, group: usize, share: f64) -> f64 {
        let whole = self.whole.sets[group];
        whole * share - (whole - self.ranked[group].len() as f64)
    }

    /// How many sets of a group may go: one stays.
    fn most(&self, group: usize) -> usize {
        let most = (self.still(group, self.most[group]) + ROUNDING).floor().max(0.0) as usize;
        most.min(self.ranked[group].len().saturating_sub(1))
    }

    /// So many sets of each group, as far as its limits allow it.
    fn take(&self, counts: Vec<usize>) -> Vec<bool> {
        let mut removed = vec![false; self.trace.ties.len()];
        for (group, (sets, count)) in self.ranked.iter().zip(counts).enumerate() {
            for (set, _) in &sets[..count.min(self.most(group))] {
                removed[*set as usize] = true;
            }
            self.round(sets, &mut removed);
        }
        self.leave_some(&mut removed);
        removed
    }

    /// The same of one group alone.
    pub(super) fn removed_of(&self, group: usize, share: f64) -> Vec<bool> {
        let counts = self.ranked.iter().enumerate().map(|(at, sets)| match at == group {
            true => (sets.len() as f64 * share).round() as usize,
            false => 0,
        });
        self.take(counts.collect())
    }

    /// Lets more sets of a group stay, from those that count most, so that of each of its layers whole multiples of channels do. Layers of a
    /// concatenation have some of the sets each.
    fn round(&self, sets: &[(u32, f64)], removed: &mut [bool]) {
        let multiple = self.config.round_to.max(1);
        // Sets of which the same layers have as many channels: multiples of each kind are multiples in each layer.
        let mut kinds: BTreeMap<&[(usize, usize)], Vec<u32>> = BTreeMap::new();
        for (set, _) in sets {
            kinds.entry(self.owners.get(set).map_or(&[][..], Vec::as_slice)).or_default().push(*set);
        }
        for (owners, kind) in kinds {
            let steps = owners.iter().map(|(_, channels)| multiple / common_divisor(multiple, *channels));
            let step = steps.fold(1, |step, other| step / common_divisor(step, other) * other);
            let kept = kind.iter().filter(|&&set| !removed[set as usize]).count();
            // One that stays is enough where any number does.
            let wanted = if step > 1 { kept.max(1).next_multiple_of(step).min(kind.len()) } else { kept };
            let gone = kind.iter().rev().filter(|&&set| removed[set as usize]);
            let back: Vec<u32> = gone.take(wanted - kept).copied().collect();
            back.into_iter().for_each(|set| removed[set as usize] = false);
        }
    }

    /// For each group how many of its sets are among those that count least of all groups' together that may lose any. A group's numbers are
    /// divided by their mean first: layers have weights of other sizes.
    fn global(&self, ratio: f64) -> Vec<usize> {
        let mut all = Vec::new();
        for (group, sets) in self.ranked.iter().enumerate() {
            let mean = sets.iter().map(|(_, score)| score).sum::<f64>() / sets.len().max(1) as f64;
            // What must stay is not in question, nor the last one of a group.
            let asked = self.most(group);
            all.extend(sets[..asked].iter().map(|(_, score)| (score / mean.max(f64::MIN_POSITIVE), group)));
        }
        let open = (0..self.groups.len()).filter(|&group| self.most[group] > 0.0);
        let wanted = open.map(|group| self.still(group, ratio)).sum::<f64>().round().max(0.0) as usize;
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut counts = vec![0; self.ranked.len()];
        for (_, group) in all.into_iter().take(wanted) {
            counts[group] += 1;
        }
        counts
    }

    /// Leaves one channel wherever a value or a weight would have none: that one which counts most.
    fn leave_some(&self, removed: &mut [bool]) {
        let mut scores = vec![0.0; removed.len()];
        self.ranked.iter().flatten().for_each(|&(set, score)| scores[set as usize] = score);
        let values = self.trace.values.iter().map(|value| &value.units);
        let tensors = self.trace.tensors.iter().flatten().map(|(_, units)| units);
        for units in values.chain(tensors) {
            let roots = || units.iter().map(|&unit| self.trace.ties.root(unit) as usize);
            if roots().all(|root| removed[root])
                && let Some(best) = roots().max_by(|&a, &b| scores[a].total_cmp(&scores[b]))
            {
                removed[best] = false;
            }
        }
    }
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// An error of pruning.
pub(super) fn refused(expected: String, got: String, hint: &str) -> Error {
    Error::Argument { op: "prune_channels".into(), expected, got, hint: hint.into() }
}

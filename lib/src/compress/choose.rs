//! Which channels go.

use std::collections::{BTreeMap, HashMap};

use super::groups::Group;
use super::heads::attention_of;
use super::prune::{PruneConfig, Scope};
use super::trace::Trace;
use crate::pattern::matches;
use crate::{Error, Result};

/// The groups with what each of their sets counts, and what may be taken of them.
pub(super) struct Choice<'a> {
    trace: &'a Trace,
    groups: &'a [Group],
    /// For each group, its sets from the one that counts least.
    ranked: Vec<Vec<(u32, f64)>>,
    /// For each group the share of its sets that may go.
    most: Vec<f64>,
    /// For each set the layers that make channels of it, by their place among them.
    owners: HashMap<u32, Vec<usize>>,
    config: &'a PruneConfig,
}

impl<'a> Choice<'a> {
    pub(super) fn new(
        trace: &'a Trace,
        groups: &'a [Group],
        scores: &[Option<f64>],
        config: &'a PruneConfig,
    ) -> Result<Choice<'a>> {
        let layers = || groups.iter().flat_map(|group| &group.layers);
        let patterns = config.exclude.iter().chain(config.limits.iter().map(|(pattern, _)| pattern));
        for pattern in patterns {
            if !layers().any(|layer| names(pattern, layer)) {
                let names: Vec<&str> = layers().map(String::as_str).collect();
                return Err(refused(
                    format!("the name of one of {}", names.join(", ")),
                    format!("{pattern:?}"),
                    "These are the layers whose channels can be removed; * stands for any characters.",
                ));
            }
        }
        if let Some((pattern, limit)) = config.limits.iter().find(|(_, limit)| !(0.0..=1.0).contains(limit)) {
            return Err(refused("a limit from 0 to 1".into(), format!("{limit} for {pattern:?}"), ""));
        }
        let mut ranked = Vec::with_capacity(groups.len());
        let mut most = Vec::with_capacity(groups.len());
        for group in groups {
            let any = |pattern: &String| group.layers.iter().any(|layer| names(pattern, layer));
            let limits = config.limits.iter().filter(|(pattern, _)| any(pattern)).map(|(_, limit)| *limit);
            let excluded = config.exclude.iter().any(any);
            let limit = if excluded { 0.0 } else { limits.fold(1.0, f64::min) };
            most.push(limit);
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
        let mut owners: HashMap<u32, Vec<usize>> = HashMap::new();
        for (at, (_, units)) in trace.producers.iter().enumerate() {
            for &unit in units {
                let of_set = owners.entry(trace.ties.root(unit)).or_default();
                if of_set.last() != Some(&at) {
                    of_set.push(at);
                }
            }
        }
        Ok(Choice { trace, groups, ranked, most, owners, config })
    }

    /// What stands for the sets that go where this share of all is to go.
    pub(super) fn removed(&self, ratio: f64) -> Vec<bool> {
        let counts = match self.config.scope {
            Scope::Uniform => {
                self.ranked.iter().map(|sets| (sets.len() as f64 * ratio).round() as usize).collect()
            }
            Scope::Global => self.global(ratio),
        };
        self.take(counts)
    }

    /// So many sets of each group, as far as its limits allow it.
    fn take(&self, counts: Vec<usize>) -> Vec<bool> {
        let mut removed = vec![false; self.trace.ties.len()];
        for (((group, sets), most), count) in self.groups.iter().zip(&self.ranked).zip(&self.most).zip(counts)
        {
            let most = (sets.len() as f64 * most).floor() as usize;
            let count = count.min(most).min(sets.len().saturating_sub(1));
            for (set, _) in &sets[..count] {
                removed[*set as usize] = true;
            }
            self.round(group, sets, &mut removed);
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
    fn round(&self, group: &Group, sets: &[(u32, f64)], removed: &mut [bool]) {
        let multiple = self.config.round_to.max(1);
        let step = multiple / common_divisor(multiple, group.channels.max(1));
        if step <= 1 {
            return;
        }
        // Sets that the same layers have: multiples of each kind are multiples in each layer.
        let mut kinds: BTreeMap<Vec<usize>, Vec<u32>> = BTreeMap::new();
        for (set, _) in sets {
            kinds.entry(self.owners.get(set).cloned().unwrap_or_default()).or_default().push(*set);
        }
        for kind in kinds.values() {
            let kept = kind.iter().filter(|&&set| !removed[set as usize]).count();
            let wanted = kept.max(1).next_multiple_of(step).min(kind.len());
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
            let most = (sets.len() as f64 * self.most[group]).floor() as usize;
            let asked = most.min(sets.len().saturating_sub(1));
            all.extend(sets[..asked].iter().map(|(_, score)| (score / mean.max(f64::MIN_POSITIVE), group)));
        }
        let open = self.ranked.iter().zip(&self.most).filter(|(_, most)| **most > 0.0);
        let total: usize = open.map(|(sets, _)| sets.len()).sum();
        let wanted = (total as f64 * ratio).round() as usize;
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

/// Whether a pattern names a layer, by itself or by the attention that it is a part of.
fn names(pattern: &str, layer: &str) -> bool {
    matches(pattern, layer) || attention_of(layer).is_some_and(|attention| matches(pattern, attention))
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// An error of pruning.
pub(super) fn refused(expected: String, got: String, hint: &str) -> Error {
    Error::Argument { op: "prune_channels".into(), expected, got, hint: hint.into() }
}

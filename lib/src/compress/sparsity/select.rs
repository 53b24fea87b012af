//! Which weights are held at 0.

use rayon::prelude::*;

use super::report::{LeftOut, LeftOutReason};
use super::weights::{Weight, opaque};
use super::{Pattern, SparsityConfig, refused};
use crate::Result;
use crate::compress::prune::Scope;
use crate::nn::Model;

/// What was chosen.
pub(super) struct Chosen {
    /// For each of these tensors 1 for each value that stays.
    pub(super) masks: Vec<(usize, Vec<u8>)>,
    pub(super) left_out: Vec<LeftOut>,
}

/// The values of a weight, by which they are ranked: their size, and less than any for what is held at 0 already.
struct Ranked {
    weight: Weight,
    sizes: Vec<f32>,
    /// The most values of it that may go.
    most: usize,
}

pub(super) fn chosen(model: &Model, config: &SparsityConfig) -> Result<Chosen> {
    let graph = model.graph();
    let weights = Weight::of(graph);
    let patterns = config.exclude.iter().chain(config.limits.iter().map(|(pattern, _)| pattern));
    for pattern in patterns {
        if !weights.iter().any(|weight| weight.is(pattern)) {
            let names: Vec<&str> =
                weights.iter().flat_map(|weight| &weight.layers).map(String::as_str).collect();
            return Err(refused(
                &format!("the name of one of {}", names.join(", ")),
                format!("{pattern:?}"),
                "These are the layers with weights, code of your own aside; * stands for any characters.",
            ));
        }
    }
    let mut left_out = opaque(graph);
    let (mut ranked, mut masks) = (Vec::new(), model.mask_tensors());
    for weight in weights {
        let inputs = weight.shape[weight.inputs];
        let reason = match config.pattern {
            _ if config.exclude.iter().any(|pattern| weight.is(pattern)) => Some(LeftOutReason::Excluded),
            Pattern::NOfM { of, .. } if !inputs.is_multiple_of(of) => {
                Some(LeftOutReason::Inputs { inputs, of })
            }
            _ => None,
        };
        if let Some(reason) = reason {
            left_out.push(LeftOut { name: weight.name.clone(), reason });
            continue;
        }
        let values = model.values_of(weight.tensor)?;
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            let got = format!("{value} in {}", weight.name);
            return Err(refused("finite weights", got, "Train the model anew, or load it."));
        }
        let mut sizes: Vec<f32> = values.into_iter().map(f32::abs).collect();
        if let Some(mask) = masks[weight.tensor].take() {
            let mask = mask.flatten_all()?.to_vec1::<u8>()?;
            sizes.iter_mut().zip(mask).filter(|(_, mask)| *mask == 0).for_each(|(size, _)| *size = -1.0);
        }
        let limits = config.limits.iter().filter(|(pattern, _)| weight.is(pattern)).map(|(_, limit)| *limit);
        let most = (weight.len() as f64 * limits.fold(1.0, f64::min)).floor() as usize;
        ranked.push(Ranked { weight, sizes, most });
    }
    if ranked.is_empty() {
        let got = match left_out.first() {
            None => "none".to_owned(),
            Some(first) => {
                format!("none: {} and what else there is, are left out: {}", first.name, first.reason)
            }
        };
        return Err(refused(
            "a layer whose weights can be pruned",
            got,
            "Linear layers and convolutions have some.",
        ));
    }
    let masks = match config.pattern {
        Pattern::NOfM { keep, of } => {
            ranked.par_iter().map(|ranked| (ranked.weight.tensor, ranked.largest(keep, of))).collect()
        }
        Pattern::Unstructured { sparsity } => {
            let counts = match config.scope {
                Scope::Uniform => {
                    ranked.iter().map(|ranked| ranked.most.min(share(ranked.sizes.len(), sparsity))).collect()
                }
                Scope::Global => global(&ranked, sparsity),
            };
            for (ranked, &count) in ranked.iter().zip(&counts) {
                if count >= ranked.sizes.len() {
                    let got = format!("all {} of {} to go", ranked.sizes.len(), ranked.weight.name);
                    let hint = "Exclude the layer, or say with a limit how much of it may go.";
                    return Err(refused("at least one weight to stay in each layer", got, hint));
                }
            }
            let smallest = ranked.par_iter().zip(&counts);
            smallest.map(|(ranked, &count)| (ranked.weight.tensor, ranked.without(count))).collect()
        }
    };
    Ok(Chosen { masks, left_out })
}

/// The whole number next to a share.
fn share(of: usize, share: f64) -> usize {
    (of as f64 * share).round() as usize
}

/// For each weight how many of its values are among the smallest of all that may go.
fn global(ranked: &[Ranked], sparsity: f64) -> Vec<usize> {
    let open = ranked.iter().filter(|ranked| ranked.most > 0);
    let wanted = share(open.map(|ranked| ranked.sizes.len()).sum(), sparsity);
    let mut all: Vec<(f32, u32)> = Vec::new();
    for (at, ranked) in ranked.iter().enumerate() {
        all.extend(ranked.smallest(ranked.most).into_iter().map(|place| (ranked.sizes[place], at as u32)));
    }
    let wanted = wanted.min(all.len());
    // Of the same size those of earlier layers first.
    if wanted < all.len() {
        all.select_nth_unstable_by(wanted, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }
    let mut counts = vec![0; ranked.len()];
    all[..wanted].iter().for_each(|&(_, at)| counts[at as usize] += 1);
    counts
}

impl Ranked {
    /// The places of so many of the smallest values, of the same size the first ones; in no order, as to sort them would take longer.
    fn smallest(&self, count: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.sizes.len()).collect();
        if count < places.len() {
            let sizes = &self.sizes;
            places.select_nth_unstable_by(count, |&a, &b| sizes[a].total_cmp(&sizes[b]).then(a.cmp(&b)));
            places.truncate(count);
        }
        places
    }

    /// The mask without so many of the smallest, and without what is held already.
    fn without(&self, count: usize) -> Vec<u8> {
        let mut mask: Vec<u8> = self.sizes.iter().map(|&size| u8::from(size >= 0.0)).collect();
        self.smallest(count).into_iter().for_each(|place| mask[place] = 0);
        mask
    }

    /// The mask of the largest of each group along the inputs; of the same size the first ones.
    fn largest(&self, keep: usize, of: usize) -> Vec<u8> {
        let mut mask = vec![0; self.sizes.len()];
        let (shape, dim) = (&self.weight.shape, self.weight.inputs);
        let (length, inner) = (shape[dim], shape[dim + 1..].iter().product::<usize>());
        let outer: usize = shape[..dim].iter().product();
        let mut group = Vec::with_capacity(of);
        for o in 0..outer {
            for i in 0..inner {
                for first in (0..length).step_by(of) {
                    group.clear();
                    group.extend((first..first + of).map(|at| (o * length + at) * inner + i));
                    group.sort_by(|&a, &b| self.sizes[b].total_cmp(&self.sizes[a]));
                    let held = |place: &&usize| self.sizes[**place] >= 0.0;
                    group[..keep].iter().filter(held).for_each(|&place| mask[place] = 1);
                }
            }
        }
        mask
    }
}

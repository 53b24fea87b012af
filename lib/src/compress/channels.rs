use super::ties::{FIXED, Ties};

/// What the channels of a value are: the units along one of its dimensions. Along the others nothing is ever removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Channels {
    /// Counted without the batch.
    pub(super) dim: usize,
    /// A unit for each index of the dimension.
    pub(super) units: Vec<u32>,
}

impl Channels {
    /// Of a value of which all must stay.
    pub(super) fn fixed(shape: &[usize]) -> Channels {
        Channels { dim: 0, units: vec![FIXED; shape.first().copied().unwrap_or(1)] }
    }

    /// The same units along another dimension.
    pub(super) fn along(self, dim: usize) -> Channels {
        Channels { dim, ..self }
    }

    pub(super) fn is_fixed(&self, ties: &Ties) -> bool {
        self.units.iter().all(|&unit| ties.is_fixed(unit))
    }

    /// The value's channels as units of `dim`. Where they are another dimension's, they must stay from now on.
    pub(super) fn at(&self, dim: usize, shape: &[usize], ties: &mut Ties) -> Channels {
        if self.dim == dim {
            return self.clone();
        }
        ties.fix(&self.units);
        Channels { dim, units: vec![FIXED; shape.get(dim).copied().unwrap_or(1)] }
    }

    /// The dimension that several values have their channels along, for most of them.
    pub(super) fn common_dim(values: &[&Channels], ties: &Ties) -> usize {
        let first = values.iter().find(|value| !value.is_fixed(ties)).or(values.first());
        first.map_or(0, |value| value.dim)
    }

    /// The same values in other dimensions. Where several units would lie beside each other, those of an outer
    /// index become one: heads of a reshape to heads and their features.
    pub(super) fn reshaped(&self, from: &[usize], to: &[usize], ties: &mut Ties) -> Channels {
        if self.is_fixed(ties) {
            return Channels::fixed(to);
        }
        let inner: usize = from[self.dim + 1..].iter().product();
        let count: usize = from.iter().product();
        let unit = |place: usize| ties.root(self.units[place / inner.max(1) % self.units.len()]);
        let units: Vec<u32> = (0..count).map(unit).collect();
        let index = |place: usize, dim: usize| {
            place / to[dim + 1..].iter().product::<usize>().max(1) % to[dim].max(1)
        };
        // A dimension along which alone the units differ.
        for dim in 0..to.len() {
            let mut along = vec![None; to[dim]];
            let alone = units
                .iter()
                .enumerate()
                .all(|(place, &unit)| *along[index(place, dim)].get_or_insert(unit) == unit);
            if alone {
                return Channels {
                    dim,
                    units: along.into_iter().map(|unit| unit.unwrap_or(FIXED)).collect(),
                };
            }
        }
        // The outermost one whose indices have no unit in common.
        for dim in 0..to.len() {
            let mut owners = vec![None; ties.len()];
            let apart = to[dim] > 1
                && units.iter().enumerate().all(|(place, &unit)| {
                    let at = index(place, dim);
                    *owners[unit as usize].get_or_insert(at) == at
                });
            if apart {
                let mut along = vec![None; to[dim]];
                for (place, &unit) in units.iter().enumerate() {
                    let first = *along[index(place, dim)].get_or_insert(unit);
                    ties.tie(first, unit);
                }
                return Channels {
                    dim,
                    units: along.into_iter().map(|unit| unit.unwrap_or(FIXED)).collect(),
                };
            }
        }
        ties.fix(&units);
        Channels::fixed(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reshape_keeps_channels_merges_heads_or_holds_all() {
        let mut ties = Ties::new();
        // (C, H, W) in a row: each channel as often as it has pixels.
        let image = Channels { dim: 0, units: ties.units(2) };
        let row = image.reshaped(&[2, 1, 3], &[6], &mut ties);
        assert_eq!(row, Channels { dim: 0, units: vec![1, 1, 1, 2, 2, 2] });
        // Tokens (N, D) in two heads of two.
        let tokens = Channels { dim: 1, units: ties.units(4) };
        let heads = tokens.reshaped(&[5, 4], &[5, 2, 2], &mut ties);
        assert_eq!(heads, Channels { dim: 1, units: vec![3, 5] });
        assert_eq!(ties.root(4), 3);
        // Back again, the features of a head are one unit.
        let back = heads.reshaped(&[5, 2, 2], &[5, 4], &mut ties);
        assert_eq!(back, Channels { dim: 1, units: vec![3, 3, 5, 5] });
        // Channels over rows that do not fit them.
        let image = Channels { dim: 0, units: ties.units(3) };
        let odd = image.reshaped(&[3, 2], &[2, 3], &mut ties);
        assert_eq!(odd, Channels::fixed(&[2, 3]));
        assert!(ties.is_fixed(8));
    }
}

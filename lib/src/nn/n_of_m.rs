//! So many values of every few that follow each other along a dimension, as indices.

use serde::{Deserialize, Serialize};

/// `keep` values of each group of `of` that follow each other along `dim`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NOfM {
    keep: usize,
    of: usize,
    dim: usize,
}

/// Where the values of a group lie.
#[derive(Clone, Copy)]
struct Places {
    first: usize,
    step: usize,
    of: usize,
}

impl Places {
    fn all(self) -> impl Iterator<Item = usize> {
        (0..self.of).map(move |index| self.first + index * self.step)
    }
}

/// Lengths of groups that are looked for: their indices fill whole bits.
const GROUPS: [usize; 4] = [2, 4, 8, 16];

impl NOfM {
    /// What a mask of a tensor of this shape is, where indices take no more room than a bit for each value.
    pub(super) fn found(mask: &[u8], shape: &[usize]) -> Option<NOfM> {
        let forms = GROUPS.iter().flat_map(|&of| [1, 0].map(|dim| (of, dim))).filter_map(|(of, dim)| {
            let form = NOfM { keep: 1, of, dim };
            let mut groups = form.groups(shape)?;
            let count = |group: Places| group.all().filter(|&place| mask[place] != 0).count();
            let keep = count(groups.next()?);
            let form = NOfM { keep, ..form };
            let may_be = form.is_one() && form.bits() * form.keep <= form.of;
            (may_be && groups.all(|group| count(group) == keep)).then_some(form)
        });
        // The least room; of the same the smaller groups, along the inputs.
        forms.min_by(|a, b| {
            let room = |form: &NOfM, other: &NOfM| form.bits() * form.keep * other.of;
            room(a, b).cmp(&room(b, a))
        })
    }

    fn is_one(self) -> bool {
        GROUPS.contains(&self.of) && (1..self.of).contains(&self.keep)
    }

    /// Of an index.
    fn bits(self) -> usize {
        self.of.ilog2() as usize
    }

    /// The places of each group, rows by rows; none if the shape has no whole groups.
    fn groups(self, shape: &[usize]) -> Option<impl Iterator<Item = Places> + use<>> {
        let length = *shape.get(self.dim)?;
        let NOfM { of, dim, .. } = self;
        if length == 0 || !length.is_multiple_of(of) {
            return None;
        }
        let outer: usize = shape[..dim].iter().product();
        let inner: usize = shape[dim + 1..].iter().product();
        let rows = (0..outer).flat_map(move |o| (0..inner).map(move |i| (o, i)));
        Some(rows.flat_map(move |(o, i)| {
            let first = move |group: usize| (o * length + group * of) * inner + i;
            (0..length / of).map(move |group| Places { first: first(group), step: inner, of })
        }))
    }

    /// The shape that the values are kept in: (rows, values of a row).
    pub(super) fn shape(self, shape: &[usize]) -> [usize; 2] {
        let length = shape[self.dim];
        let rows = shape.iter().product::<usize>() / length.max(1);
        [rows, length / self.of * self.keep]
    }

    /// The values that stay, group by group, and the packed indices in their groups, the first in the lowest bits.
    pub(super) fn taken(self, values: &[f32], mask: &[u8], shape: &[usize]) -> (Vec<f32>, Vec<u8>) {
        let (mut taken, mut indices) = (Vec::new(), Vec::new());
        for group in self.groups(shape).into_iter().flatten() {
            for (index, place) in group.all().enumerate().filter(|(_, place)| mask[*place] != 0) {
                taken.push(values[place]);
                indices.push(index);
            }
        }
        let mut bytes = vec![0_u8; (indices.len() * self.bits()).div_ceil(8)];
        for (at, index) in indices.into_iter().enumerate() {
            for bit in 0..self.bits() {
                let to = at * self.bits() + bit;
                bytes[to / 8] |= ((index >> bit & 1) as u8) << (to % 8);
            }
        }
        (taken, bytes)
    }

    /// What [`NOfM::taken`] was made of, with its mask; none if these cannot be its values and indices.
    pub(super) fn put_back(
        self,
        values: &[f32],
        bytes: &[u8],
        shape: &[usize],
    ) -> Option<(Vec<f32>, Vec<u8>)> {
        if !self.is_one() {
            return None;
        }
        let all = shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side))?;
        let count = (all / self.of).checked_mul(self.keep)?;
        let used = count.checked_mul(self.bits())?;
        let clean = used.is_multiple_of(8) || bytes.last().is_none_or(|last| last >> (used % 8) == 0);
        // So that no memory is taken which the file does not fill by at least a sixteenth.
        if values.len() != count || bytes.len() != used.div_ceil(8) || !clean {
            return None;
        }
        let groups = self.groups(shape)?;
        let (mut dense, mut mask) = (vec![0.0; all], vec![0_u8; all]);
        let index = |at: usize| {
            let bit = |bit: usize| {
                usize::from(bytes[(at * self.bits() + bit) / 8] >> ((at * self.bits() + bit) % 8) & 1)
            };
            (0..self.bits()).fold(0, |index, at| index | bit(at) << at)
        };
        for (group, places) in groups.enumerate() {
            let mut last = None;
            let of_group = values.iter().enumerate().skip(group * self.keep).take(self.keep);
            for (at, &value) in of_group {
                let index = index(at);
                if last.is_some_and(|last| index <= last) {
                    return None;
                }
                last = Some(index);
                let place = places.first + index * places.step;
                (dense[place], mask[place]) = (value, 1);
            }
        }
        Some((dense, mask))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_four_has_an_index_of_two_bits_for_each() {
        let mask = [1, 1, 0, 0, 0, 1, 1, 0];
        let values = [1.0, -2.0, 0.0, 0.0, 0.0, 3.0, f32::NAN, 0.0];
        let form = NOfM::found(&mask, &[1, 8]);
        assert_eq!(form, Some(NOfM { keep: 2, of: 4, dim: 1 }));
        let Some(form) = form else { return };
        let (taken, bytes) = form.taken(&values, &mask, &[1, 8]);
        assert_eq!(form.shape(&[1, 8]), [1, 4]);
        assert_eq!(
            taken.iter().map(|value| value.to_bits()).collect::<Vec<_>>(),
            [1.0, -2.0, 3.0, f32::NAN].map(f32::to_bits)
        );
        // 0 and 1, 1 and 2.
        assert_eq!(bytes, [0b10_01_01_00]);
        let back = form.put_back(&taken, &bytes, &[1, 8]);
        assert!(
            back.is_some_and(|(dense, back)| back == mask && dense[6].is_nan() && dense[..6] == values[..6])
        );
        // The same index twice, one value too few, another shape.
        assert_eq!(form.put_back(&taken, &[0b10_01_11_11], &[1, 8]), None);
        assert_eq!(form.put_back(&taken[1..], &bytes, &[1, 8]), None);
        assert_eq!(form.put_back(&taken, &bytes, &[1, 9]), None);
        assert_eq!(NOfM { of: 1 << 40, ..form }.put_back(&taken, &bytes, &[1, 8]), None);
        assert_eq!(NOfM { dim: 7, ..form }.put_back(&taken, &bytes, &[1, 8]), None);
    }

    #[test]
    fn groups_of_a_convolution_run_along_its_inputs_for_each_tap() {
        // (1, 4, 1, 2): of the first tap inputs 0 and 1 stay, of the second 2 and 3.
        let mask = [1, 0, 1, 0, 0, 1, 0, 1];
        let form = NOfM::found(&mask, &[1, 4, 1, 2]);
        assert_eq!(form, Some(NOfM { keep: 2, of: 4, dim: 1 }));
        let taken =
            form.map(|form| form.taken(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], &mask, &[1, 4, 1, 2]));
        assert_eq!(taken, Some((vec![0.0, 2.0, 5.0, 7.0], vec![0b11_10_01_00])));
        assert_eq!(NOfM::found(&[1, 1, 0, 1], &[1, 4]), None);
    }
}

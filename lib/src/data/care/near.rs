//! Which fingerprints are near each other, without comparing each with each.

use std::collections::HashMap;

use super::hash::PerceptualHash;

/// The largest distance that may be asked for. Of 64 bits of which half are set, two by chance differ in at most
/// 6 once in 7e10 pairs, in at most 10 once in 4e7, in at most 16 once in 15,000. Of 100,000 images, which make
/// 5e9 pairs, chance alone flags none at 6 and about one in 1,000 at 10; at 16 nearly every image would have such
/// a twin.
pub(super) const MOST: u32 = 10;
/// Each fingerprint is cut into so many parts, of so many bits.
const PARTS: usize = 4;
const BITS: u32 = 16;

/// Fingerprints, found by others that differ in at most some bits.
///
/// Multi-index hashing (Norouzi, Punjani and Fleet, *Fast Search in Hamming Space with Multi-Index Hashing*,
/// 2012): of two that differ in at most r bits, one of their 4 parts differs in at most r / 4. All parts that
/// are so near are looked up in the table of that part: 68 look-ups for r below 8, 548 up to [`MOST`], of places
/// that hold few fingerprints each, for any number of images.
#[derive(Debug)]
pub(super) struct Near {
    radius: u32,
    hashes: Vec<PerceptualHash>,
    /// For each part which fingerprints have it.
    tables: [HashMap<u16, Vec<u32>>; PARTS],
    /// What to change in a part to come to all that are near.
    changes: Vec<u16>,
}

impl Near {
    /// None yet; later found within `radius` bits.
    pub(super) fn within(radius: u32) -> Near {
        let changes = (0..=u16::MAX).filter(|change| change.count_ones() <= radius / PARTS as u32).collect();
        Near { radius, hashes: Vec::new(), tables: Default::default(), changes }
    }

    /// Adds one; they are numbered from 0.
    pub(super) fn push(&mut self, hash: PerceptualHash) {
        let number = self.hashes.len() as u32;
        for (part, table) in self.tables.iter_mut().enumerate() {
            table.entry(part_of(hash, part)).or_default().push(number);
        }
        self.hashes.push(hash);
    }

    /// The number of the nearest, the first of several, and how many bits it differs in.
    pub(super) fn nearest(&self, hash: PerceptualHash) -> Option<(usize, u32)> {
        let mut best: Option<(u32, u32)> = None;
        for (part, table) in self.tables.iter().enumerate() {
            let own = part_of(hash, part);
            for number in self.changes.iter().filter_map(|change| table.get(&(own ^ change))).flatten() {
                let Some(other) = self.hashes.get(*number as usize) else { continue };
                let found = (other.distance(hash), *number);
                if found.0 <= self.radius && best.is_none_or(|best| found < best) {
                    best = Some(found);
                }
            }
        }
        best.map(|(distance, number)| (number as usize, distance))
    }
}

fn part_of(hash: PerceptualHash, part: usize) -> u16 {
    (hash.0 >> (part as u32 * BITS)) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Seed;

    /// How many of so many fingerprints by chance have another within `radius` that came before.
    fn by_chance(fingerprints: usize, radius: u32) -> usize {
        let mut rng = Seed(11).rng();
        let mut near = Near::within(radius);
        let mut bits: Vec<u32> = (0..64).collect();
        (0..fingerprints)
            .filter(|_| {
                rng.shuffle(&mut bits);
                let hash = PerceptualHash(bits.iter().take(32).fold(0, |hash, bit| hash | 1 << bit));
                let found = near.nearest(hash).is_some();
                near.push(hash);
                found
            })
            .count()
    }

    /// 3e7 pairs: 0.0004 of them are expected within 6 bits, 0.7 within 10, and 2,000 within 16.
    #[test]
    fn chance_flags_few_up_to_the_limit_and_many_beyond() {
        assert_eq!(by_chance(8_000, 6), 0);
        assert!(by_chance(8_000, MOST) <= 8);
        assert!(by_chance(2_000, 16) >= 60, "2e6 pairs, of which 134 are expected");
    }

    proptest! {
        /// Copies with some bits turned, among others, are found as by comparing with all.
        #[test]
        fn the_nearest_is_that_of_comparing_with_all(
            hashes in prop::collection::vec(any::<u64>(), 1..60),
            of in any::<prop::sample::Index>(),
            turned in prop::collection::vec(0..64_u32, 0..20),
            radius in 0..=MOST,
        ) {
            let mut near = Near::within(radius);
            hashes.iter().for_each(|&hash| near.push(PerceptualHash(hash)));
            let asked = turned.iter().fold(hashes[of.index(hashes.len())], |hash, bit| hash ^ (1 << bit));
            let all = hashes.iter().enumerate().map(|(at, hash)| ((hash ^ asked).count_ones(), at));
            let expected = all.min().filter(|(distance, _)| *distance <= radius);
            let found = near.nearest(PerceptualHash(asked)).map(|(at, distance)| (distance, at));
            prop_assert_eq!(found, expected);
        }
    }
}

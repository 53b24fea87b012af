/// Channels that can only be kept or removed together: sets of units that grow together.
#[derive(Debug, Clone, Default)]
pub(super) struct Ties {
    parents: Vec<u32>,
}

/// The unit of all channels that must stay.
pub(super) const FIXED: u32 = 0;

impl Ties {
    pub(super) fn new() -> Ties {
        Ties { parents: vec![FIXED] }
    }

    /// So many units, each by itself.
    pub(super) fn units(&mut self, count: usize) -> Vec<u32> {
        let first = self.parents.len() as u32;
        self.parents.extend(first..first + count as u32);
        (first..first + count as u32).collect()
    }

    /// What stands for the unit's set; [`FIXED`] for what must stay.
    pub(super) fn root(&self, mut unit: u32) -> u32 {
        while self.parents[unit as usize] != unit {
            unit = self.parents[unit as usize];
        }
        unit
    }

    /// Makes one set of two.
    pub(super) fn tie(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        // The lower one stands for both, so that what is fixed stays so.
        self.parents[a.max(b) as usize] = a.min(b);
    }

    /// Makes one set of each pair.
    pub(super) fn tie_all(&mut self, a: &[u32], b: &[u32]) {
        a.iter().zip(b).for_each(|(&a, &b)| self.tie(a, b));
    }

    pub(super) fn fix(&mut self, units: &[u32]) {
        units.iter().for_each(|&unit| self.tie(unit, FIXED));
    }

    pub(super) fn is_fixed(&self, unit: u32) -> bool {
        self.root(unit) == FIXED
    }

    /// Whether the same units hang together in both.
    pub(super) fn alike(&self, other: &Ties) -> bool {
        self.len() == other.len() && (0..self.len() as u32).all(|unit| self.root(unit) == other.root(unit))
    }

    /// All units there are.
    pub(super) fn len(&self) -> usize {
        self.parents.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_grow_together_and_what_is_fixed_stays() {
        let mut ties = Ties::new();
        let [a, b] = [ties.units(3), ties.units(3)];
        ties.tie_all(&a, &b);
        assert_eq!(ties.root(a[1]), ties.root(b[1]));
        assert_ne!(ties.root(a[1]), ties.root(b[2]));
        ties.fix(&b[2..]);
        assert!(ties.is_fixed(a[2]) && !ties.is_fixed(a[1]));
        ties.tie(a[0], a[2]);
        assert!(ties.is_fixed(b[0]));
        assert_eq!(ties.len(), 7);
    }
}

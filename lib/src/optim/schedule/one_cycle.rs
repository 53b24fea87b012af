use super::shape::half_cosine;
use super::wrong;
use crate::Result;

/// The one-cycle policy (Smith and Topin 2018, "Super-Convergence"), by the formulas of PyTorch's `OneCycleLR`: the learning rate
/// rises to the training's own rate and falls to almost nothing, while the momentum falls and rises. Turned into a schedule by
/// `Schedule::from(..)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OneCycleConfig {
    /// The part of the cycle in which the rate rises, from 0 to 1; 0.3. With [`Phases::Three`] at most 0.5, as it falls back for as
    /// long.
    pub rise: f64,
    /// How many times lower than the highest rate the first one is, above 0; 25.
    pub start_divisor: f64,
    /// How many times lower than the first rate the last one is, above 0; 10,000.
    pub final_divisor: f64,
    /// The lowest momentum, where the rate is highest, and the highest, where the cycle begins and ends, each from 0 up to
    /// and without 1; (0.85, 0.95). `None` leaves the optimizer's momentum alone.
    pub momentum: Option<(f64, f64)>,
    /// How it goes from one to the other; a cosine.
    pub anneal: Anneal,
    /// How many parts it has; two.
    pub phases: Phases,
}

/// The way from one value to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Anneal {
    /// Half a cosine: slow, fast, slow.
    #[default]
    Cosine,
    /// A straight line.
    Linear,
}

/// The parts of one cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phases {
    /// Up, and down to the last rate.
    #[default]
    Two,
    /// Up, down to the first rate, and on to the last one, as in the paper.
    Three,
}

impl Default for OneCycleConfig {
    fn default() -> OneCycleConfig {
        OneCycleConfig {
            rise: 0.3,
            start_divisor: 25.0,
            final_divisor: 1e4,
            momentum: Some((0.85, 0.95)),
            anneal: Anneal::default(),
            phases: Phases::default(),
        }
    }
}

/// Where the cycle stands: between two of its corners.
struct Place {
    from: Corner,
    to: Corner,
    /// From 0 to 1.
    way: f64,
}

#[derive(Clone, Copy)]
enum Corner {
    First,
    Peak,
    /// The first values again, at the end of the second of three phases.
    Back,
    Last,
}

impl OneCycleConfig {
    /// What the highest rate is multiplied with at unit `at` of `length`.
    pub(super) fn factor(&self, at: usize, length: usize) -> f64 {
        let of = |corner| match corner {
            Corner::Peak => 1.0,
            Corner::First | Corner::Back => 1.0 / self.start_divisor,
            Corner::Last => 1.0 / self.start_divisor / self.final_divisor,
        };
        self.between(self.place(at, length), of)
    }

    pub(super) fn momentum_at(&self, at: usize, length: usize) -> Option<f64> {
        let (low, high) = self.momentum?;
        Some(self.between(
            self.place(at, length),
            |corner| if matches!(corner, Corner::Peak) { low } else { high },
        ))
    }

    fn between(&self, place: Place, of: impl Fn(Corner) -> f64) -> f64 {
        let (from, to) = (of(place.from), of(place.to));
        match self.anneal {
            Anneal::Cosine => to + (from - to) * half_cosine(place.way),
            Anneal::Linear => from + (to - from) * place.way,
        }
    }

    fn place(&self, at: usize, length: usize) -> Place {
        let (at, length) = (at as f64, length as f64);
        let last = length - 1.0;
        let up = self.rise * length - 1.0;
        // Where each phase ends; the first ones may end before the first unit.
        let phases: &[(f64, Corner, Corner)] = match self.phases {
            Phases::Two => &[(up, Corner::First, Corner::Peak), (last, Corner::Peak, Corner::Last)],
            Phases::Three => &[
                (up, Corner::First, Corner::Peak),
                (2.0 * up, Corner::Peak, Corner::Back),
                (last, Corner::Back, Corner::Last),
            ],
        };
        let mut begin = 0.0;
        let mut place = Place { from: Corner::First, to: Corner::Last, way: 1.0 };
        for &(end, from, to) in phases {
            // A phase of no units at all has already come to its end.
            let way = if end > begin { (at - begin) / (end - begin) } else { 1.0 };
            place = Place { from, to, way };
            if at <= end {
                break;
            }
            begin = end;
        }
        place
    }

    pub(super) fn check(&self) -> Result<()> {
        let most = match self.phases {
            Phases::Two => 1.0,
            Phases::Three => 0.5,
        };
        if !(0.0..=most).contains(&self.rise) {
            let hint = "It is the part of the cycle in which the rate rises; 0.3 is the default.";
            return Err(wrong(format!("one_cycle's rise between 0 and {most}"), self.rise, hint));
        }
        for (divisor, name) in [(self.start_divisor, "start_divisor"), (self.final_divisor, "final_divisor")]
        {
            if !(divisor > 0.0 && divisor.is_finite()) {
                let hint = "25 and 10000 are the defaults.";
                return Err(wrong(format!("one_cycle's {name} above 0, and finite"), divisor, hint));
            }
        }
        match self.momentum {
            Some((low, high)) if !(0.0 <= low && low <= high && high < 1.0) => Err(wrong(
                "one_cycle's momentum from 0 up to and without 1, the lower one first",
                format!("({low}, {high})"),
                "(0.85, 0.95) is the default; None leaves the optimizer's momentum alone.",
            )),
            _ => Ok(()),
        }
    }
}

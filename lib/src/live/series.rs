//! Any number of points in a bounded memory.

use crate::plot::Average;

/// So many stretches of points are kept; when there are more, each two become one.
const STRETCHES: usize = 512;

/// A point that is kept, and which one it was.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Kept {
    at: u64,
    x: f64,
    y: f64,
}

/// Some points in a row: of more than four finite ones the first, the least, the greatest and the last.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    points: u64,
    /// `None` where nothing is finite.
    finite: Option<Ends>,
    /// The first that is not finite.
    gap: Option<Kept>,
    /// The average at the last finite point.
    average: f64,
}

#[derive(Debug, Clone, Copy)]
struct Ends {
    first: Kept,
    least: Kept,
    greatest: Kept,
    last: Kept,
}

impl Stretch {
    fn of(point: Kept, average: f64) -> Stretch {
        let ends = Ends { first: point, least: point, greatest: point, last: point };
        match point.y.is_finite() {
            true => Stretch { points: 1, finite: Some(ends), gap: None, average },
            false => Stretch { points: 1, finite: None, gap: Some(point), average },
        }
    }

    /// This and the one that comes after it.
    fn with(self, next: Stretch) -> Stretch {
        let finite = match (self.finite, next.finite) {
            (Some(one), Some(other)) => Some(Ends {
                first: one.first,
                least: if other.least.y < one.least.y { other.least } else { one.least },
                greatest: if other.greatest.y > one.greatest.y { other.greatest } else { one.greatest },
                last: other.last,
            }),
            (one, other) => one.or(other),
        };
        Stretch {
            points: self.points + next.points,
            finite,
            gap: self.gap.or(next.gap),
            average: if next.finite.is_some() { next.average } else { self.average },
        }
    }

    /// What is kept of it, in the order it came.
    fn points(&self) -> Vec<(f64, f64)> {
        let ends = self.finite.map(|ends| [ends.first, ends.least, ends.greatest, ends.last]);
        let mut all: Vec<Kept> = ends.into_iter().flatten().chain(self.gap).collect();
        all.sort_by_key(|kept| kept.at);
        all.dedup_by_key(|kept| kept.at);
        all.into_iter().map(|kept| (kept.x, kept.y)).collect()
    }
}

/// A curve that grows.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: String,
    stretches: Vec<Stretch>,
    /// How many points a stretch holds when it is full.
    pub(super) together: u64,
    pub(super) total: u64,
    pub(super) not_finite: u64,
    pub(super) last: (f64, f64),
    average: Option<Average>,
}

impl Series {
    pub(super) fn new(name: &str, smoothing: Option<f64>) -> Series {
        Series {
            name: name.to_owned(),
            stretches: Vec::new(),
            together: 1,
            total: 0,
            not_finite: 0,
            last: (f64::NAN, f64::NAN),
            average: smoothing.map(Average::new),
        }
    }

    pub(super) fn push(&mut self, x: f64, y: f64) {
        let average = self.average.as_mut().map_or(f64::NAN, |average| average.push(y));
        let one = Stretch::of(Kept { at: self.total, x, y }, average);
        self.total += 1;
        self.not_finite += u64::from(!y.is_finite());
        self.last = (x, y);
        match self.stretches.last_mut() {
            Some(last) if last.points < self.together => *last = last.with(one),
            _ => {
                if self.stretches.len() == STRETCHES {
                    let pairs = self.stretches.chunks(2);
                    self.stretches =
                        pairs.map(|pair| pair.iter().copied().reduce(Stretch::with).unwrap_or(one)).collect();
                    self.together *= 2;
                }
                self.stretches.push(one);
            }
        }
    }

    /// What is kept of all points, in the order they came.
    pub(super) fn points(&self) -> Vec<(f64, f64)> {
        self.stretches.iter().flat_map(Stretch::points).collect()
    }

    /// The average over all points, at the last one of each stretch.
    pub(super) fn averages(&self) -> Option<Vec<(f64, f64)>> {
        self.average?;
        let kept = |stretch: &Stretch| match stretch.finite {
            Some(ends) => (ends.last.x, stretch.average),
            None => (f64::NAN, f64::NAN),
        };
        Some(self.stretches.iter().map(kept).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_points_are_kept_as_they_are() {
        let mut series = Series::new("a", Some(0.5));
        let points: Vec<(f64, f64)> = (0..500).map(|at| (f64::from(at), f64::from(at % 7))).collect();
        for &(x, y) in &points {
            series.push(x, y);
        }
        assert_eq!((series.points(), series.together), (points, 1));
        assert_eq!(series.averages().map(|averages| averages.len()), Some(500));
    }

    #[test]
    fn of_millions_the_extremes_and_the_last_are_kept() {
        let mut series = Series::new("a", Some(0.999));
        let mut average = Average::new(0.999);
        let mut expected = 0.0;
        for at in 0..3_000_000_u32 {
            let y = match at {
                1_234_567 => -50.0,
                2_999_998 => 77.0,
                777 => f64::NAN,
                at => f64::from(at % 10),
            };
            series.push(f64::from(at), y);
            expected = average.push(y);
        }
        let points = series.points();
        assert!(points.len() <= STRETCHES * 5 && series.stretches.len() <= STRETCHES, "{}", points.len());
        assert_eq!(series.stretches.iter().map(|stretch| stretch.points).sum::<u64>(), 3_000_000);
        assert!(points.contains(&(1_234_567.0, -50.0)) && points.contains(&(2_999_998.0, 77.0)));
        assert_eq!((points[0], points[points.len() - 1]), ((0.0, 0.0), (2_999_999.0, 9.0)));
        let gaps: Vec<f64> = points.iter().filter(|point| point.1.is_nan()).map(|point| point.0).collect();
        assert_eq!((gaps, series.not_finite), (vec![777.0], 1));
        assert!(points.is_sorted_by_key(|point| point.0));
        // Taken over all points, not over those that are kept.
        assert_eq!(
            series.averages().and_then(|averages| averages.last().map(|point| point.1)),
            Some(expected)
        );
    }
}

//! Points as rows of numbers, and the classes that they belong to.

use crate::plot::Scatter;

/// Rows of the same width, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub(super) width: usize,
    pub(super) values: Vec<f32>,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    pub(super) fn row(&self, at: usize) -> &[f32] {
        self.values.get(at * self.width..(at + 1) * self.width).unwrap_or_default()
    }
}

/// The class of each point.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    pub(super) labels: Vec<u32>,
    pub(super) names: Vec<String>,
}

impl Groups {
    /// Points in the colours of their classes; all in one without classes.
    pub(super) fn scatter(groups: Option<&Groups>, points: &[[f64; 2]], title: &str) -> Scatter {
        let pair = |point: &[f64; 2]| (point[0], point[1]);
        let plot = Scatter::new(title);
        let Some(Groups { labels, names }) = groups else {
            return plot.points("", &points.iter().map(pair).collect::<Vec<_>>());
        };
        names.iter().enumerate().fold(plot, |plot, (class, name)| {
            let own = points.iter().zip(labels).filter(|(_, label)| **label as usize == class);
            let own: Vec<(f64, f64)> = own.map(|(point, _)| pair(point)).collect();
            if own.is_empty() { plot } else { plot.points(name, &own) }
        })
    }
}

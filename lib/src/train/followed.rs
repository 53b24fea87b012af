//! Metrics over a part of the data.

use crate::data::{Dataset, Split};
use crate::metrics::Metric;
use crate::{Error, Result};

/// The values of metrics that have gone over a part, by name.
///
/// # Errors
/// A metric without a value: it says in which part which class is missing, by its name.
pub(super) fn values(metrics: &[Metric], split: Split, part: &Dataset) -> Result<Vec<(String, f64)>> {
    let value = |metric: &Metric| {
        let value = metric.value().map_err(|error| in_part(error, split, part))?;
        Ok((metric.name().to_owned(), value))
    };
    metrics.iter().map(value).collect()
}

/// The error of a metric with the part of the data and the name of the class.
pub(super) fn in_part(error: Error, split: Split, part: &Dataset) -> Error {
    match error {
        Error::MissingClass { op, class, mut expected, got, hint } => {
            if let Some(name) = part.class_names().get(class) {
                expected = format!("{expected} (class {class} is {name:?})");
            }
            Error::MissingClass { op: format!("{op} on the {split} part"), class, expected, got, hint }
        }
        error => error,
    }
}

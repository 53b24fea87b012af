use sconce_display::Bundle;

use super::config::ModelConfig;
use super::published::Accuracy;
use super::registry::{ModelEntry, entries};
use crate::plot::{Table, count, percent};
use crate::rich::Rich;

/// The architectures that [`super::create`] knows, as a table.
#[derive(Debug, Clone)]
pub struct ModelList {
    entries: Vec<&'static ModelEntry>,
}

/// Every architecture there is.
///
/// ```
/// use sconce::prelude::*;
///
/// assert!(models::list().names().contains(&"resnet18"));
/// models::list().matching("resnet")   // as the last expression of a cell: a table
/// # ;
/// ```
#[must_use]
pub fn list() -> ModelList {
    ModelList { entries: entries().collect() }
}

impl ModelList {
    /// Those whose name or family holds `text`, in capitals or not.
    #[must_use]
    pub fn matching(&self, text: &str) -> ModelList {
        let text = text.to_lowercase();
        let holds =
            |entry: &&&ModelEntry| entry.name.contains(&text) || entry.family.to_lowercase().contains(&text);
        ModelList { entries: self.entries.iter().filter(holds).copied().collect() }
    }

    /// What is known of each.
    #[must_use]
    pub fn entries(&self) -> &[&'static ModelEntry] {
        &self.entries
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.entries.iter().map(|entry| entry.name).collect()
    }

    /// Size and cost as published, that is for the classes and images of [`ModelEntry::defaults`], and the best of the
    /// published accuracies.
    #[must_use]
    pub fn table(&self) -> Table {
        let columns = [
            "model",
            "family",
            "image",
            "parameters",
            "multiply-adds",
            "published accuracy",
            "paper",
            "weights",
        ];
        let mut table = Table::new(&columns);
        for entry in &self.entries {
            let (parameters, multiply_adds) = match entry.architecture(ModelConfig::default()) {
                Ok(architecture) => {
                    let summary = architecture.summary();
                    (count(summary.num_parameters()), millions(summary.multiply_adds()))
                }
                Err(error) => (error.to_string(), String::new()),
            };
            let best = entry
                .weights
                .iter()
                .max_by(|one, other| main_number(one.accuracy).0.total_cmp(&main_number(other.accuracy).0));
            let accuracy = best.map_or_else(String::new, |weights| {
                let (number, what) = main_number(weights.accuracy);
                format!("{} {what}", percent(number))
            });
            let image = entry.defaults.image.map(|dim| dim.to_string()).join(" x ");
            let weights: Vec<&str> = entry.weights.iter().map(|weights| weights.name).collect();
            table.push(&[
                entry.name,
                entry.family,
                &image,
                &parameters,
                &multiply_adds,
                &accuracy,
                entry.paper,
                &weights.join(", "),
            ]);
        }
        table
    }

    /// The table in plain text.
    #[must_use]
    pub fn text(&self) -> String {
        self.table().text()
    }
}

/// The number that people compare, and what it is.
fn main_number(accuracy: Accuracy) -> (f64, &'static str) {
    match accuracy {
        Accuracy::Classification { top1, .. } => (top1, "top-1"),
        Accuracy::Detection { box_ap } => (box_ap, "box AP"),
    }
}

fn millions(value: u64) -> String {
    let millions = value as f64 / 1e6;
    if millions < 10.0 {
        format!("{millions:.1} M")
    } else {
        format!("{} M", count(millions.round() as usize))
    }
}

impl Rich for ModelList {
    fn rich(&self) -> Bundle {
        self.table().rich()
    }
}

use std::fmt;

use sconce_display::Bundle;

use super::learner::Learner;
use super::settings::{Clipping, Scheduled, Unit};
use crate::plot::{Table, count, number};
use crate::rich::Rich;

/// `1 epoch`, `2 epochs`.
pub(super) fn epochs(count: usize) -> String {
    format!("{count} epoch{}", if count == 1 { "" } else { "s" })
}

impl Learner {
    /// What it is made of and how far it is.
    fn table(&self) -> Table {
        let parameters = self.net.parameters();
        let numbers: usize = parameters.iter().map(|parameter| parameter.var.elem_count()).sum();
        let parts = [&self.data.train, &self.data.valid, &self.data.test].map(|part| count(part.len()));
        let metrics: Vec<&str> = self.metrics.iter().map(|metric| metric.name()).collect();
        let mut table = Table::new(&["learner", ""])
            .row(&["model", &format!("{} parameters in {} tensors", count(numbers), parameters.len())])
            .row(&["data", &format!("{} train, {} valid, {} test images", parts[0], parts[1], parts[2])])
            .row(&["loss", self.loss.name()])
            .row(&[
                "optimizer",
                &format!("{}, learning rate {}", self.config.name(), number(self.learning_rate())),
            ])
            .row(&["schedule", &self.schedule_words()])
            .row(&["metrics", &if metrics.is_empty() { "none".to_owned() } else { metrics.join(", ") }])
            .row(&["batch size", &self.batch_size.to_string()])
            .row(&["seed", &self.seed.0.to_string()]);
        if let Some(sampler) = &self.sampler {
            table.push(&["images by", &sampler.to_string()]);
        }
        for transform in &self.batch_transforms {
            table.push(&["batches by", &format!("{transform:?}")]);
        }
        for (what, value) in self.refinements() {
            table.push(&[what, &value]);
        }
        let trained = match (self.history.len(), &self.partial) {
            (0, None) => "not yet".to_owned(),
            (complete, None) => epochs(complete),
            (complete, Some(partial)) => {
                format!("{} and {} of {} steps of the next", epochs(complete), partial.step, partial.steps)
            }
        };
        table.push(&["trained", &trained]);
        if let Some(last) = self.history.last() {
            table.push(&["train loss", &number(last.train_loss)]);
            if let Some(loss) = last.valid_loss {
                table.push(&["valid loss", &number(loss)]);
            }
            for (name, value) in &last.valid_metrics {
                table.push(&[&format!("valid {name}"), &number(*value)]);
            }
        }
        table
    }
}

impl Learner {
    fn schedule_words(&self) -> String {
        match &self.schedule {
            None => "the same rate".into(),
            Some(Scheduled { schedule, unit: Unit::Step }) => schedule.to_string(),
            Some(Scheduled { schedule, unit: Unit::Epoch }) => format!("{schedule}, by epoch"),
        }
    }

    /// What is set up beside the necessary.
    fn refinements(&self) -> Vec<(&'static str, String)> {
        let mut rows = Vec::new();
        if let Some(teacher) = &self.teacher {
            rows.push(("teacher", teacher.words()));
        }
        if let Some((plateau, monitor)) = &self.plateau {
            let scale = number(plateau.scale_at_a_drop());
            rows.push(("on a plateau", format!("{scale} of the rate, by the {}", monitor.name())));
        }
        match self.clipping {
            None => {}
            Some(Clipping::Norm(max)) => rows.push(("gradients", format!("of a norm up to {}", number(max)))),
            Some(Clipping::Value(max)) => rows.push(("gradients", format!("from -{0} to {0}", number(max)))),
        }
        if self.accumulate > 1 {
            rows.push(("a step", format!("of {} batches", self.accumulate)));
        }
        if let Some(decay) = self.ema_decay {
            rows.push(("weights", format!("averaged, decay {decay}")));
        }
        rows
    }
}

impl Rich for Learner {
    fn rich(&self) -> Bundle {
        let table = self.table();
        Bundle::text(table.text()).html(table.html())
    }
}

impl fmt::Debug for Learner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table().text())
    }
}

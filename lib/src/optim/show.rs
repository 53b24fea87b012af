//! What an optimizer says of itself.

use sconce_display::Bundle;

use super::config::Kind;
use super::optimizer::{Optimizer, ParamSettings};
use crate::plot::{Table, count, escape, number};
use crate::progress::bytes;
use crate::rich::Rich;

/// Of the names of a group so many are written out.
const NAMED: usize = 3;

/// Parameters that are moved with the same settings.
struct Group {
    settings: ParamSettings,
    names: Vec<String>,
    elements: usize,
}

impl Optimizer {
    /// The bytes that are kept from step to step: momentum, moments.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        let kept = self.config.kept().len();
        let of_one = |slot: &super::slot::Slot| {
            let var = &slot.parameter.var;
            (var.elem_count() * var.dtype().size_in_bytes() * kept) as u64
        };
        self.slots.iter().map(of_one).sum()
    }

    /// A row for each group of parameters with the same rate and decay, in the order of their first ones.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut groups: Vec<Group> = Vec::new();
        for (settings, slot) in self.settings().into_iter().zip(&self.slots) {
            let same = |group: &&mut Group| {
                let other = &group.settings;
                other.learning_rate == settings.learning_rate && other.weight_decay == settings.weight_decay
            };
            let (name, elements) = (settings.name.clone(), slot.parameter.var.elem_count());
            match groups.iter_mut().find(same) {
                Some(group) => {
                    group.names.push(name);
                    group.elements += elements;
                }
                None => groups.push(Group { settings, names: vec![name], elements }),
            }
        }
        let mut table = Table::new(&["learning rate", "weight decay", "tensors", "numbers", "parameters"]);
        for Group { settings, names, elements } in &groups {
            let more = match names.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {} more", count(more)),
            };
            table.push(&[
                number(settings.learning_rate),
                number(settings.weight_decay),
                count(names.len()),
                count(*elements),
                format!("{}{more}", names[..names.len().min(NAMED)].join(", ")),
            ]);
        }
        table
    }

    /// `adamw, 12 steps taken, state of 9.6 kB`, and its settings.
    fn lines(&self) -> [String; 2] {
        let steps = self.slots.iter().map(|slot| slot.steps).max().unwrap_or(0);
        let plural = if steps == 1 { "" } else { "s" };
        let kept = match self.config.kept() {
            [] => "no state".to_owned(),
            kept => format!("state of {} ({})", bytes(self.state_bytes()), kept.join(", ")),
        };
        let settings = match self.present() {
            Kind::Sgd(sgd) => format!("{sgd:?}"),
            Kind::Adam(adam) => format!("{adam:?}"),
            Kind::RmsProp(rmsprop) => format!("{rmsprop:?}"),
            Kind::Adagrad(adagrad) => format!("{adagrad:?}"),
        };
        // `Adam { lr: 0.001, … }`: the name stands before, and the rate now in the table.
        let settings = settings.split_once('{').map_or("", |(_, rest)| rest).trim_end_matches('}').trim();
        let settings = settings.replacen("lr: ", "begun with learning rate ", 1);
        [format!("{}, {steps} step{plural} taken, {kept}", self.config.name()), settings.replace(": ", " ")]
    }
}

impl Rich for Optimizer {
    fn rich(&self) -> Bundle {
        let ([headline, settings], table) = (self.lines(), self.table());
        Bundle::text(format!("{headline}\n{settings}\n{}", table.text())).html(format!(
            "<div style=\"font-size:13px\"><b>{}</b><br>{}{}</div>",
            escape(&headline),
            escape(&settings),
            table.html()
        ))
    }
}

//! Metrics that are sums over samples, and what the sums say.

use std::fmt;

use candle_core::Tensor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::metric::{Accumulate, Redrawn};
use super::refused::{argument, nothing_taken_in};
use crate::Result;

/// What the samples of a metric are; it stays the same from batch to batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Form {
    /// One of so many classes.
    Classes(usize),
    /// Any of so many classes.
    Tags(usize),
    /// So many numbers.
    Values(usize),
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Form::Classes(classes) => write!(f, "one of {classes} classes for each sample"),
            Form::Tags(classes) => write!(f, "0 and 1 for each of {classes} classes"),
            Form::Values(values) => write!(f, "{values} numbers for each sample"),
        }
    }
}

impl Form {
    /// How many classes or numbers a sample has.
    pub(super) fn width(self) -> usize {
        let (Form::Classes(width) | Form::Tags(width) | Form::Values(width)) = self;
        width
    }
}

/// How a metric counts. Everything is added up sample by sample, so that the result is the same, bit for bit, for any
/// sizes of batches.
pub(super) trait Rule: Clone + Send + Sync + 'static {
    /// What one sample adds.
    type Item: Send + Sync;
    /// What it is added to.
    type Sums: Send + Sync + Serialize + DeserializeOwned;

    /// Who asks, for errors.
    fn op(&self) -> &str;

    /// The samples of a batch.
    fn items(&self, output: &Tensor, targets: &Tensor) -> Result<(Form, Vec<Self::Item>)>;

    /// Nothing added yet.
    fn nothing(&self, form: Form) -> Self::Sums;

    /// Whether sums from a file are of this form.
    fn fits(&self, form: Form, sums: &Self::Sums) -> bool;

    /// Adds a sample, so many times.
    fn add(&self, sums: &mut Self::Sums, item: &Self::Item, times: u64);

    /// What the sums say of at least one sample.
    fn value(&self, sums: &Self::Sums) -> Result<f64>;
}

/// A rule with what it has counted.
pub(super) struct Counted<R: Rule> {
    rule: R,
    taken: Option<(Form, R::Sums)>,
    samples: usize,
}

impl<R: Rule> Counted<R> {
    pub(super) fn new(rule: R) -> Counted<R> {
        Counted { rule, taken: None, samples: 0 }
    }
}

impl<R: Rule> Accumulate for Counted<R> {
    fn update(&mut self, output: &Tensor, targets: &Tensor) -> Result<()> {
        let (form, items) = self.rule.items(output, targets)?;
        same_form(self.rule.op(), self.taken.as_ref().map(|(form, _)| *form), form)?;
        let (_, sums) = self.taken.get_or_insert_with(|| (form, self.rule.nothing(form)));
        for item in &items {
            self.rule.add(sums, item, 1);
        }
        self.samples += items.len();
        Ok(())
    }

    fn value(&self) -> Result<f64> {
        match &self.taken {
            Some((_, sums)) if self.samples > 0 => self.rule.value(sums),
            _ => Err(nothing_taken_in(self.rule.op())),
        }
    }

    fn fresh(&self) -> Box<dyn Accumulate> {
        Box::new(Counted::new(self.rule.clone()))
    }

    fn state(&self) -> Option<String> {
        serde_json::to_string(&(&self.taken, self.samples)).ok()
    }

    fn restore(&mut self, state: &str) -> bool {
        let Ok((taken, samples)) = serde_json::from_str::<(Option<(Form, R::Sums)>, usize)>(state) else {
            return false;
        };
        if taken.as_ref().is_some_and(|(form, sums)| !self.rule.fits(*form, sums)) {
            return false;
        }
        (self.taken, self.samples) = (taken, samples);
        true
    }

    fn redrawn(&self, output: &Tensor, targets: &Tensor) -> Result<Redrawn> {
        let (form, items) = self.rule.items(output, targets)?;
        let rule = self.rule.clone();
        Ok(Box::new(move |times| {
            let mut sums = rule.nothing(form);
            for (item, &times) in items.iter().zip(times) {
                if times > 0 {
                    rule.add(&mut sums, item, u64::from(times));
                }
            }
            rule.value(&sums)
        }))
    }
}

/// Refuses a batch of another form than those before.
pub(super) fn same_form(op: &str, before: Option<Form>, now: Form) -> Result<()> {
    match before {
        Some(before) if before != now => Err(argument(
            op,
            format!("{before}, as in the batches before"),
            now.to_string(),
            "One metric takes in the batches of one model; metric.fresh() starts anew.",
        )),
        _ => Ok(()),
    }
}

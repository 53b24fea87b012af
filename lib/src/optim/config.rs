use super::adagrad::Adagrad;
use super::adam::Adam;
use super::group::{ParamGroup, settle};
use super::optimizer::{Optimizer, in_range};
use super::rmsprop::RmsProp;
use super::rule::Rule;
use super::sgd::Sgd;
use crate::Result;
use crate::ops::{Parameter, check_environment};

/// Any optimizer's configuration with its parameter groups, for whoever builds it later.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct OptimizerConfig {
    pub(super) kind: Kind,
    groups: Vec<ParamGroup>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Sgd(Sgd),
    Adam(Adam),
    RmsProp(RmsProp),
    Adagrad(Adagrad),
}

impl From<Kind> for OptimizerConfig {
    fn from(kind: Kind) -> OptimizerConfig {
        OptimizerConfig { kind, groups: Vec::new() }
    }
}

impl From<Sgd> for OptimizerConfig {
    fn from(sgd: Sgd) -> OptimizerConfig {
        Kind::Sgd(sgd).into()
    }
}

impl From<Adam> for OptimizerConfig {
    fn from(adam: Adam) -> OptimizerConfig {
        Kind::Adam(adam).into()
    }
}

impl From<RmsProp> for OptimizerConfig {
    fn from(rmsprop: RmsProp) -> OptimizerConfig {
        Kind::RmsProp(rmsprop).into()
    }
}

impl From<Adagrad> for OptimizerConfig {
    fn from(adagrad: Adagrad) -> OptimizerConfig {
        Kind::Adagrad(adagrad).into()
    }
}

impl OptimizerConfig {
    /// One more group of parameters with settings of their own. A parameter may be in several: what a later
    /// one sets goes over what an earlier one set.
    pub fn group(mut self, group: ParamGroup) -> OptimizerConfig {
        self.groups.push(group);
        self
    }

    /// All of these groups, one after the other; see [`layer_decay`](super::layer_decay).
    pub fn groups(self, groups: Vec<ParamGroup>) -> OptimizerConfig {
        groups.into_iter().fold(self, OptimizerConfig::group)
    }

    /// The same of fewer parameters: without the names, and groups, that are none of these.
    pub(crate) fn fitting(mut self, parameters: &[Parameter]) -> OptimizerConfig {
        self.groups.retain_mut(|group| group.fit_to(parameters));
        self
    }

    /// The optimizer of these parameters, its state empty. To freeze a parameter, leave it out.
    ///
    /// # Errors
    /// A setting out of its range; a parameter that is not F32 or F64, not contiguous, or given twice; a group
    /// none of whose names is a parameter's (the error lists the parameters).
    pub fn build(&self, parameters: &[Parameter]) -> Result<Optimizer> {
        check_environment()?;
        let lr = self.learning_rate();
        in_range(self.name(), "learning rate", lr, 0.0..f64::INFINITY)?;
        let weight_decay = match &self.kind {
            Kind::Sgd(sgd) => sgd.check().map(|()| sgd.weight_decay)?,
            Kind::Adam(adam) => adam.check().map(|()| adam.weight_decay)?,
            Kind::RmsProp(rmsprop) => rmsprop.check().map(|()| rmsprop.weight_decay)?,
            Kind::Adagrad(adagrad) => adagrad.check().map(|()| adagrad.weight_decay)?,
        };
        let settings = settle(self.name(), lr, weight_decay, &self.groups, parameters)?;
        Optimizer::new(self.clone(), parameters, settings)
    }

    /// The learning rate that training starts with, where no group gives another.
    #[must_use]
    pub fn learning_rate(&self) -> f64 {
        match self.kind {
            Kind::Sgd(sgd) => sgd.lr,
            Kind::Adam(adam) => adam.lr,
            Kind::RmsProp(rmsprop) => rmsprop.lr,
            Kind::Adagrad(adagrad) => adagrad.lr,
        }
    }

    /// `sgd`, `adam`, `adamw`, `rmsprop` or `adagrad`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Sgd(_) => "sgd",
            Kind::Adam(adam) => adam.name(),
            Kind::RmsProp(_) => "rmsprop",
            Kind::Adagrad(_) => "adagrad",
        }
    }

    /// What is kept for each number of a parameter from step to step, by PyTorch's names.
    pub(super) fn kept(&self) -> &'static [&'static str] {
        match &self.kind {
            Kind::Sgd(sgd) => sgd.kept(),
            Kind::Adam(adam) => adam.kept(),
            Kind::RmsProp(rmsprop) => rmsprop.kept(),
            Kind::Adagrad(adagrad) => adagrad.kept(),
        }
    }
}

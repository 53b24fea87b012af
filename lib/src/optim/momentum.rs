//! Changing the momentum between steps, as the one-cycle policy does.

use super::config::Kind;
use super::optimizer::{Optimizer, in_range};
use crate::{Error, Result};

impl Optimizer {
    /// The momentum of the next step: that of SGD and RMSprop, the first beta of Adam. None for an optimizer that was built
    /// without.
    #[must_use]
    pub fn momentum(&self) -> Option<f64> {
        let built = match &self.config.kind {
            Kind::Sgd(sgd) => Some(sgd.momentum).filter(|&momentum| momentum > 0.0),
            Kind::RmsProp(rmsprop) => Some(rmsprop.momentum).filter(|&momentum| momentum > 0.0),
            Kind::Adam(adam) => Some(adam.betas.0),
            Kind::Adagrad(_) => None,
        };
        self.momentum.or(built)
    }

    /// Sets the momentum of the next steps; what is kept from the last ones stays. [`Optimizer::save`] keeps it, too.
    ///
    /// # Errors
    /// A value below 0, or 1 and more; 0 for SGD and RMSprop; an optimizer that was built without momentum, for which nothing
    /// is kept that it could act on.
    pub fn set_momentum(&mut self, momentum: f64) -> Result<()> {
        let op = self.config.name();
        self.check_momentum(momentum)?;
        if self.momentum().is_none() {
            return Err(Error::Argument {
                op: format!("{op} set_momentum"),
                expected: "an optimizer that was built with momentum".into(),
                got: format!("{op} without"),
                hint: match self.config.kind {
                    Kind::Adagrad(_) => "It has none; sgd(lr).momentum(0.9) and adam(lr) do.".into(),
                    _ => format!("Write {op}(lr).momentum(0.9)."),
                },
            });
        }
        self.momentum = Some(momentum);
        Ok(())
    }

    /// Goes back to the momentum that it was built with.
    pub(crate) fn unset_momentum(&mut self) {
        self.momentum = None;
    }

    pub(super) fn check_momentum(&self, momentum: f64) -> Result<()> {
        let least = match self.config.kind {
            Kind::Adam(_) => 0.0,
            // Built with one, their kernels take what is kept for it.
            _ => f64::MIN_POSITIVE,
        };
        in_range(self.config.name(), "momentum", momentum, least..1.0)
    }

    /// The kind with the momentum of the next step.
    pub(super) fn present(&self) -> Kind {
        match (self.config.kind, self.momentum) {
            (Kind::Sgd(sgd), Some(momentum)) => Kind::Sgd(sgd.momentum(momentum)),
            (Kind::RmsProp(rmsprop), Some(momentum)) => Kind::RmsProp(rmsprop.momentum(momentum)),
            (Kind::Adam(adam), Some(momentum)) => Kind::Adam(adam.betas(momentum, adam.betas.1)),
            (kind, _) => kind,
        }
    }
}

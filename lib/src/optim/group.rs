//! Parameters with settings of their own: the parameter groups of PyTorch, chosen by name.

use super::optimizer::in_range;
use crate::ops::Parameter;
use crate::pattern::matches;
use crate::tensor_file::list;
use crate::{Error, Result};

/// A group of the parameters whose names are `names`: one, or an array or vector of them. `*` in a name
/// stands for any letters, dots among them, and `?` for one, so `"head.*"` is all that belongs to the layer
/// `head` and `"*.bias"` every bias. What is set goes over the optimizer's own settings:
///
/// ```
/// use sconce::optim::{adamw, param_group, vectors};
///
/// let config = adamw(1e-3)
///     .group(vectors().weight_decay(0.0))
///     .group(param_group("backbone.*").lr_scale(0.1))
///     .group(param_group(["head.weight", "head.bias"]).lr(1e-2));
/// ```
pub fn param_group(names: impl Into<ParamNames>) -> ParamGroup {
    ParamGroup { members: Members::Names(names.into()), rate: None, weight_decay: None }
}

/// A group of all parameters with at most one dimension: biases, and the weights of norms. They are mostly
/// trained without weight decay (He et al. 2019, "Bag of Tricks for Image Classification"; timm's default).
pub fn vectors() -> ParamGroup {
    ParamGroup { members: Members::Vectors, rate: None, weight_decay: None }
}

/// Names of parameters, or patterns of names. See [`param_group`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamNames(Vec<String>);

impl From<&str> for ParamNames {
    fn from(name: &str) -> ParamNames {
        ParamNames(vec![name.to_owned()])
    }
}

impl From<String> for ParamNames {
    fn from(name: String) -> ParamNames {
        ParamNames(vec![name])
    }
}

impl<const N: usize> From<[&str; N]> for ParamNames {
    fn from(names: [&str; N]) -> ParamNames {
        ParamNames(names.map(str::to_owned).to_vec())
    }
}

impl From<Vec<String>> for ParamNames {
    fn from(names: Vec<String>) -> ParamNames {
        ParamNames(names)
    }
}

impl From<&[Parameter]> for ParamNames {
    fn from(parameters: &[Parameter]) -> ParamNames {
        ParamNames(parameters.iter().map(|parameter| parameter.name.clone()).collect())
    }
}

/// Some parameters and the settings that are theirs. Made by [`param_group`] and [`vectors`].
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct ParamGroup {
    members: Members,
    rate: Option<Rate>,
    weight_decay: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Members {
    Names(ParamNames),
    Vectors,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Rate {
    Own(f64),
    Scale(f64),
}

impl ParamGroup {
    /// The learning rate that these start with, at least 0. A later
    /// [`set_learning_rate`](super::Optimizer::set_learning_rate) changes it in the same ratio as the others.
    pub fn lr(mut self, lr: f64) -> ParamGroup {
        self.rate = Some(Rate::Own(lr));
        self
    }

    /// How many times the optimizer's learning rate theirs is, at least 0: 0.1 for layers that were trained
    /// before.
    pub fn lr_scale(mut self, factor: f64) -> ParamGroup {
        self.rate = Some(Rate::Scale(factor));
        self
    }

    /// Their pull to zero, at least 0, in the optimizer's own sense.
    pub fn weight_decay(mut self, weight_decay: f64) -> ParamGroup {
        self.weight_decay = Some(weight_decay);
        self
    }

    /// Drops the names that are none of these parameters'; whether it still holds any.
    pub(super) fn fit_to(&mut self, parameters: &[Parameter]) -> bool {
        if let Members::Names(ParamNames(patterns)) = &mut self.members {
            patterns.retain(|pattern| parameters.iter().any(|parameter| matches(pattern, &parameter.name)));
        }
        parameters.iter().any(|parameter| self.holds(parameter))
    }

    fn holds(&self, parameter: &Parameter) -> bool {
        match &self.members {
            Members::Vectors => parameter.var.rank() <= 1,
            Members::Names(ParamNames(names)) => names.iter().any(|name| matches(name, &parameter.name)),
        }
    }
}

/// What one parameter is moved with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Settings {
    /// The learning rate at the start if a group gives one, else the optimizer's.
    pub(super) own_rate: Option<f64>,
    pub(super) weight_decay: f64,
}

/// The settings of each parameter: the optimizer's, with those of the groups that hold it, the later over
/// the earlier ones.
pub(super) fn settle(
    op: &str,
    lr: f64,
    weight_decay: f64,
    groups: &[ParamGroup],
    parameters: &[Parameter],
) -> Result<Vec<Settings>> {
    let mut all = vec![Settings { own_rate: None, weight_decay }; parameters.len()];
    for group in groups {
        check(op, lr, group)?;
        check_members(op, group, parameters)?;
        for (settings, _) in all.iter_mut().zip(parameters).filter(|(_, parameter)| group.holds(parameter)) {
            match group.rate {
                Some(Rate::Own(rate)) => settings.own_rate = Some(rate),
                Some(Rate::Scale(factor)) => settings.own_rate = Some(lr * factor),
                None => {}
            }
            settings.weight_decay = group.weight_decay.unwrap_or(settings.weight_decay);
        }
    }
    Ok(all)
}

fn check(op: &str, lr: f64, group: &ParamGroup) -> Result<()> {
    match group.rate {
        Some(Rate::Own(rate)) => in_range(op, "a group's learning rate", rate, 0.0..f64::INFINITY)?,
        Some(Rate::Scale(factor)) => in_range(op, "a group's lr_scale", factor, 0.0..f64::INFINITY)?,
        None => {}
    }
    if group.rate.is_some() && lr == 0.0 {
        return Err(Error::Argument {
            op: op.into(),
            expected: "a learning rate above 0 where groups have rates of their own".into(),
            got: "0".into(),
            hint: "Theirs are kept in the ratio to it: give the rate to reach, and lower it with \
                   set_learning_rate."
                .into(),
        });
    }
    let decay = group.weight_decay.unwrap_or(0.0);
    in_range(op, "a group's weight_decay", decay, 0.0..f64::INFINITY)
}

/// An error if the group, or one of its names, holds no parameter.
fn check_members(op: &str, group: &ParamGroup, parameters: &[Parameter]) -> Result<()> {
    let names = || parameters.iter().map(|parameter| parameter.name.clone()).collect::<Vec<_>>();
    let none_of = |what: String, hint: String| Error::Argument {
        op: format!("{op} group"),
        expected: format!("some of the {} parameters: {}", parameters.len(), list("", &names()).trim_start()),
        got: what,
        hint,
    };
    match &group.members {
        Members::Vectors if !parameters.iter().any(|parameter| group.holds(parameter)) => Err(none_of(
            "vectors(), and none has at most one dimension".into(),
            "Leave the group out.".into(),
        )),
        Members::Vectors => Ok(()),
        Members::Names(ParamNames(patterns)) if patterns.is_empty() => {
            Err(none_of("a group without names".into(), "Leave the group out.".into()))
        }
        Members::Names(ParamNames(patterns)) => {
            let vain = patterns
                .iter()
                .find(|pattern| !parameters.iter().any(|parameter| matches(pattern, &parameter.name)));
            let Some(vain) = vain else { return Ok(()) };
            let whole = format!("{vain}.*");
            let layer = parameters.iter().any(|parameter| matches(&whole, &parameter.name));
            let hint = match layer {
                true => format!("All parameters of the layer are {whole:?}."),
                false => {
                    "`*` stands for any letters: \"head.*\" is all that belongs to the layer head.".into()
                }
            };
            Err(none_of(format!("{vain:?}, which none of them is"), hint))
        }
    }
}

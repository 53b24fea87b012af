//! Parameters with settings of their own.

use candle_core::{DType, Var};
use sconce::nn::Parameter;
use sconce::optim::{OptimizerConfig, ParamGroup, adagrad, adam, adamw, param_group, rmsprop, sgd, vectors};

use super::{Any, device, gradients, parameter};

fn model() -> candle_core::Result<Vec<Parameter>> {
    let shapes: [(&str, &[usize]); 5] = [
        ("stem.weight", &[4, 3]),
        ("stem.bias", &[4]),
        ("norm.weight", &[4]),
        ("head.weight", &[2, 4]),
        ("head.bias", &[2]),
    ];
    shapes.into_iter().map(|(name, shape)| parameter(name, shape)).collect()
}

/// Name, learning rate and weight decay of each parameter.
fn settings(config: OptimizerConfig) -> sconce::Result<Vec<(String, f64, f64)>> {
    let settings = config.build(&model()?)?.settings();
    Ok(settings.into_iter().map(|s| (s.name, s.learning_rate, s.weight_decay)).collect())
}

#[test]
fn later_groups_go_over_earlier_ones_and_over_the_optimizer() -> Any {
    let config = adamw(1e-3)
        .weight_decay(0.05)
        .group(vectors().weight_decay(0.0))
        .group(param_group("stem.*").lr_scale(0.1))
        .group(param_group(["head.weight", "head.bias"]).lr(1e-2))
        .group(param_group("head.bias").lr(2e-2));
    let wanted = [
        ("stem.weight", 1e-3 * 0.1, 0.05),
        ("stem.bias", 1e-3 * 0.1, 0.0),
        ("norm.weight", 1e-3, 0.0),
        ("head.weight", 1e-2, 0.05),
        ("head.bias", 2e-2, 0.0),
    ];
    assert_eq!(settings(config)?, wanted.map(|(name, lr, decay)| (name.to_owned(), lr, decay)));
    Ok(())
}

/// A parameter in a group moves exactly as with an optimizer of its own that has the group's settings.
#[test]
fn a_group_is_an_optimizer_of_its_own() -> Any {
    fn pair(all: f64, own: f64, make: impl Fn(f64, f64) -> OptimizerConfig) -> [OptimizerConfig; 3] {
        let group = param_group("head").lr(own).weight_decay(0.5);
        [make(all, 0.01).group(group), make(all, 0.01), make(own, 0.5)]
    }
    let cases = [
        pair(0.1, 0.3, |lr, decay| sgd(lr).momentum(0.9).weight_decay(decay).into()),
        pair(0.1, 0.3, |lr, decay| sgd(lr).weight_decay(decay).into()),
        pair(0.01, 0.2, |lr, decay| adam(lr).weight_decay(decay).into()),
        pair(0.01, 0.2, |lr, decay| adamw(lr).weight_decay(decay).amsgrad().into()),
        pair(0.01, 0.2, |lr, decay| rmsprop(lr).weight_decay(decay).centered().into()),
        pair(0.01, 0.2, |lr, decay| adagrad(lr).weight_decay(decay).lr_decay(0.1).into()),
    ];
    for [grouped, for_stem, for_head] in cases {
        let (stem, head) = (parameter("stem", &[3])?, parameter("head", &[3])?);
        let (stem_alone, head_alone) = (parameter("stem", &[3])?, parameter("head", &[3])?);
        let mut together = grouped.build(&[stem.clone(), head.clone()])?;
        let mut alone = [
            for_stem.build(std::slice::from_ref(&stem_alone))?,
            for_head.build(std::slice::from_ref(&head_alone))?,
        ];
        for step in 0..4 {
            let (a, b) = (1.0 - f64::from(step) * 0.7, 0.3 + f64::from(step));
            together.step(&gradients(&[(&stem, a), (&head, b)])?)?;
            alone[0].step(&gradients(&[(&stem_alone, a)])?)?;
            alone[1].step(&gradients(&[(&head_alone, b)])?)?;
        }
        let name = grouped.name();
        assert_eq!(stem.var.to_vec1::<f32>()?, stem_alone.var.to_vec1::<f32>()?, "{name}, outside");
        assert_eq!(head.var.to_vec1::<f32>()?, head_alone.var.to_vec1::<f32>()?, "{name}, in the group");
        assert_ne!(stem.var.to_vec1::<f32>()?, head.var.to_vec1::<f32>()?);
    }
    Ok(())
}

#[test]
fn a_schedule_keeps_the_ratios() -> Any {
    let mut optimizer = sgd(0.1).group(param_group("head.*").lr(0.3)).build(&model()?)?;
    let rates = |optimizer: &sconce::optim::Optimizer| {
        let settings = optimizer.settings();
        [settings[0].learning_rate, settings[3].learning_rate]
    };
    assert_eq!(rates(&optimizer), [0.1, 0.3]);
    optimizer.set_learning_rate(0.05)?;
    assert_eq!(optimizer.learning_rate(), 0.05);
    assert_eq!(rates(&optimizer), [0.05, 0.15]);
    optimizer.set_learning_rate(0.0)?;
    assert_eq!(rates(&optimizer), [0.0, 0.0]);
    optimizer.set_learning_rate(0.1)?;
    assert_eq!(rates(&optimizer), [0.1, 0.3]);
    Ok(())
}

#[test]
fn a_group_that_holds_nothing_says_what_there_is() -> Any {
    let matrix = Parameter::new("m", Var::zeros((2, 2), DType::F32, &device())?);
    let error = |config: OptimizerConfig, parameters: &[Parameter]| {
        config.build(parameters).map(|_| ()).expect_err("the group is wrong").to_string()
    };
    let of = |group: ParamGroup| adamw(1e-3).group(group);
    let missing = error(of(param_group("tail.*")), &model()?);
    assert_eq!(
        missing,
        "adamw group: expected some of the 5 parameters: stem.weight, stem.bias, norm.weight, head.weight, \
         head.bias, got \"tail.*\", which none of them is. `*` stands for any letters: \"head.*\" is all that \
         belongs to the layer head."
    );
    let cases = [
        (error(of(param_group("head")), &model()?), "the layer are \"head.*\""),
        (error(of(param_group(["stem.*", "tail.weight"])), &model()?), "\"tail.weight\""),
        (error(of(param_group(Vec::new())), &model()?), "without names"),
        (error(of(vectors()), &[matrix]), "vectors()"),
        (error(of(vectors().lr(-1.0)), &model()?), "a group's learning rate"),
        (error(of(vectors().lr_scale(f64::NAN)), &model()?), "a group's lr_scale"),
        (error(of(vectors().weight_decay(-1.0)), &model()?), "a group's weight_decay"),
        (error(adamw(0.0).group(vectors().lr(0.1)), &model()?), "above 0 where groups"),
    ];
    for (error, named) in cases {
        assert!(error.contains(named), "{error} should name {named}");
    }
    Ok(())
}

#[test]
fn a_group_of_parameters_at_hand() -> Any {
    let (a, b) = (parameter("a", &[1])?, parameter("b", &[1])?);
    let group = param_group(std::slice::from_ref(&b)).lr(0.5);
    let mut optimizer = sgd(1.0).group(group).build(&[a.clone(), b.clone()])?;
    optimizer.step(&gradients(&[(&a, 1.0), (&b, 1.0)])?)?;
    assert_eq!(
        [&a, &b].map(Parameter::clone).map(|p| p.var.to_vec1::<f32>().expect("values")),
        [[0.0], [0.5]]
    );
    Ok(())
}

//! Learning rates and momenta against PyTorch's, and what schedules refuse.

use candle_core::{Tensor, Var};
use sconce::nn::{Parameter, backward};
use sconce::optim::{
    Anneal, OneCycleConfig, OptimizerConfig, Phases, Schedule, adagrad, adam, constant, cosine,
    cosine_restarts, exponential, linear, multi_step, one_cycle, polynomial, rmsprop, sgd, step_decay,
};
use serde_json::Value;

use super::{Any, device, fixture, numbers};

/// What `tests/fixtures/optim/training.py` wrote.
pub fn training() -> Value {
    serde_json::from_str(include_str!("../../../tests/fixtures/optim/training.json"))
        .expect("training.json is JSON")
}

fn whole(value: &Value) -> usize {
    usize::try_from(value.as_u64().expect("a whole number")).expect("a usize")
}

fn schedule(name: &str, args: &Value) -> Schedule {
    let number = |name: &str| args[name].as_f64().unwrap_or_else(|| panic!("{name} in {args}"));
    match name {
        "StepLR" => step_decay(whole(&args["step_size"]), number("gamma")),
        "MultiStepLR" => {
            let milestones = args["milestones"].as_array().expect("milestones");
            multi_step(milestones.iter().map(whole).collect::<Vec<_>>(), number("gamma"))
        }
        "ExponentialLR" => exponential(number("gamma")),
        "CosineAnnealingLR" => cosine().over(whole(&args["T_max"])).floor(number("eta_min")),
        "LinearLR" => linear(number("start_factor"), 1.0).over(whole(&args["total_iters"])),
        "OneCycleLR" => one_cycle().over(whole(&args["total_steps"])),
        "PolynomialLR" => polynomial(number("power")).over(whole(&args["total_iters"])),
        "CosineAnnealingWarmRestarts" => cosine_restarts(whole(&args["T_0"])).growing(whole(&args["T_mult"])),
        name => panic!("no schedule for {name}"),
    }
}

fn same(got: f64, wanted: f64, at: &str) {
    let near = (got - wanted).abs() <= 1e-9 * wanted.abs();
    assert!(near, "{at}: {got:e}, not {wanted:e}");
}

#[test]
fn rates_are_pytorchs() -> Any {
    let mut covered = 0;
    for case in fixture()["schedules"].as_array().expect("cases") {
        let (name, args) = (case["name"].as_str().expect("a name"), &case["args"]);
        let base = args["max_lr"].as_f64().or(case["base_lr"].as_f64()).expect("a rate");
        let schedule = schedule(name, args);
        for (at, wanted) in numbers(&case["lrs"]).into_iter().enumerate() {
            same(schedule.rate(base, at)?, wanted, &format!("{name} {args} at {at}"));
            covered += 1;
        }
    }
    assert_eq!(covered, 6 * 13 + 12 + 15);
    Ok(())
}

#[test]
fn one_cycles_are_pytorchs_in_rate_and_momentum() -> Any {
    let fixture = training();
    let cases = fixture["one_cycle"].as_array().expect("cases");
    for case in cases {
        let args = &case["args"];
        let default = OneCycleConfig::default();
        let number = |name: &str, default: f64| args[name].as_f64().unwrap_or(default);
        let schedule = Schedule::from(OneCycleConfig {
            rise: number("pct_start", 0.3),
            start_divisor: number("div_factor", 25.0),
            final_divisor: number("final_div_factor", 1e4),
            momentum: Some((number("base_momentum", 0.85), number("max_momentum", 0.95))),
            anneal: if args["anneal_strategy"] == "linear" { Anneal::Linear } else { default.anneal },
            phases: if args["three_phase"] == true { Phases::Three } else { default.phases },
        });
        let total = whole(&case["total"]);
        let schedule = schedule.fitted(total);
        for (at, (lr, momentum)) in
            numbers(&case["lrs"]).into_iter().zip(numbers(&case["momenta"])).enumerate()
        {
            let place = format!("{args} at {at} of {total}");
            same(schedule.rate(0.5, at)?, lr, &place);
            same(schedule.momentum(at)?.expect("a momentum"), momentum, &place);
        }
    }
    assert_eq!(cases.len(), 19);
    Ok(())
}

#[test]
fn a_warm_up_stands_in_front_as_in_pytorchs_sequential() -> Any {
    for case in training()["warmup"].as_array().expect("cases") {
        let name = case["name"].as_str().expect("a name");
        let schedule = match name {
            "cosine" => cosine().floor(0.001).over(14),
            "step_decay" => step_decay(3, 0.5),
            "exponential" => exponential(0.9),
            name => panic!("no schedule for {name}"),
        };
        let schedule = schedule.warmup(4).warmup_from(0.01);
        for (at, wanted) in numbers(&case["lrs"]).into_iter().enumerate() {
            same(schedule.rate(0.1, at)?, wanted, &format!("{name} at {at}"));
        }
    }
    Ok(())
}

/// The order in which settings are given makes no difference, and what has a length keeps it.
#[test]
fn lengths() -> Any {
    let schedule = cosine().over(20).warmup(5);
    assert_eq!(schedule, cosine().warmup(5).over(20));
    assert_eq!(schedule.length(), Some(20));
    assert_eq!(schedule.fitted(7), schedule);
    assert_eq!(cosine().warmup(5).fitted(20), schedule);
    same(schedule.rate(0.1, 20)?, 0.0, "the end");
    for endless in
        [constant(), step_decay(2, 0.5), multi_step([2], 0.5), exponential(0.5), cosine_restarts(3)]
    {
        assert_eq!(endless.fitted(7), endless);
        assert_eq!(endless.length(), None);
        // With a length they stay where they are then.
        let held = endless.clone().over(4);
        same(held.rate(0.1, 100)?, endless.rate(0.1, 4)?, "held");
    }
    // One that ends with a round does not begin another.
    same(cosine_restarts(3).over(6).rate(0.1, 9)?, 0.0, "the end of a round");
    same(cosine_restarts(3).growing(2).floor(0.01).over(9).rate(0.1, 9)?, 0.01, "the end of a longer round");
    for needs in [cosine(), one_cycle(), linear(0.1, 1.0), polynomial(1.0)] {
        assert_eq!(needs.fitted(7).length(), Some(7));
        let error = needs.rate(0.1, 0).expect_err("no length").to_string();
        assert!(error.contains(".over(units)"), "{error}");
    }
    // A warm-up, a peak, and far below where it began.
    let cycle = one_cycle().warmup(3).over(13);
    same(cycle.rate(1.0, 0)?, 0.01 / 25.0, "the warm-up's first rate");
    assert_eq!(cycle.momentum(0)?, Some(0.95));
    same(cycle.rate(1.0, 5)?, one_cycle().over(10).rate(1.0, 2)?, "behind it");
    assert_eq!(cosine().over(3).momentum(1)?, None);
    Ok(())
}

#[test]
fn restarts_without_growth() -> Any {
    let schedule = cosine_restarts(3);
    for at in 0..12 {
        same(schedule.rate(0.1, at)?, schedule.rate(0.1, at % 3)?, "the round");
    }
    same(schedule.rate(0.1, 1)?, 0.1 * 0.75, "a third of the way");
    // No matter how late.
    assert!(cosine_restarts(3).growing(2).rate(0.1, usize::MAX)?.is_finite());
    assert!(step_decay(3, 0.5).rate(0.1, usize::MAX)? == 0.0);
    Ok(())
}

#[test]
fn bad_settings_are_refused_by_name() {
    let cycle = |config: OneCycleConfig| Schedule::from(config).over(10).rate(0.1, 0);
    let default = OneCycleConfig::default;
    let cases = [
        (step_decay(0, 0.5).rate(0.1, 0), "step_size"),
        (step_decay(3, 0.0).rate(0.1, 0), "step_decay's gamma"),
        (multi_step([], 0.5).rate(0.1, 0), "milestone"),
        (multi_step([3], f64::NAN).rate(0.1, 0), "multi_step's gamma"),
        (exponential(-0.5).rate(0.1, 0), "exponential's gamma"),
        (linear(-0.1, 1.0).over(5).rate(0.1, 0), "linear's factors"),
        (linear(0.1, f64::INFINITY).over(5).rate(0.1, 0), "linear's factors"),
        (polynomial(0.0).over(5).rate(0.1, 0), "polynomial's power"),
        (cosine_restarts(0).rate(0.1, 0), "first round"),
        (cosine_restarts(5).growing(0).rate(0.1, 0), "grow"),
        (cosine().over(5).growing(2).rate(0.1, 0), "it on cosine"),
        (cosine().over(0).rate(0.1, 0), "length"),
        (cosine().warmup(5).over(5).rate(0.1, 0), "above the 5 units"),
        (constant().warmup_from(1.5).rate(0.1, 0), "warmup_from"),
        (constant().floor(-1.0).rate(0.1, 0), "floor"),
        (constant().floor(0.2).rate(0.1, 0), "its floor of 0.2"),
        (constant().rate(f64::NAN, 0), "a learning rate"),
        (constant().rate(-1.0, 0), "a learning rate"),
        (one_cycle().over(10).rate(0.1, 10), "below 10"),
        (cycle(OneCycleConfig { rise: 1.5, ..default() }), "rise"),
        (cycle(OneCycleConfig { rise: 0.6, phases: Phases::Three, ..default() }), "rise"),
        (cycle(OneCycleConfig { start_divisor: 0.0, ..default() }), "start_divisor"),
        (cycle(OneCycleConfig { final_divisor: f64::NAN, ..default() }), "final_divisor"),
        (cycle(OneCycleConfig { momentum: Some((0.95, 0.85)), ..default() }), "momentum"),
        (cycle(OneCycleConfig { momentum: Some((0.5, 1.0)), ..default() }), "momentum"),
    ];
    for (outcome, named) in cases {
        let error = outcome.expect_err(named).to_string();
        assert!(error.contains(named), "{error} should name {named}");
    }
}

/// With the momentum that changes on the way, optimizers go PyTorch's way, and a run that was saved goes on bit for bit.
#[test]
fn a_cycled_momentum_moves_as_pytorchs() -> Any {
    let folder = tempfile::tempdir()?;
    for case in training()["cycled"].as_array().expect("cases") {
        let name = case["name"].as_str().expect("a name");
        let config: OptimizerConfig = match name {
            "sgd" => sgd(0.1).momentum(0.9).into(),
            "nesterov" => sgd(0.1).momentum(0.9).nesterov().into(),
            "adam" => adam(0.1).into(),
            "rmsprop" => rmsprop(0.1).momentum(0.9).into(),
            name => panic!("no optimizer for {name}"),
        };
        let start = Tensor::new(&[3.0f64, -2.0, 0.5], &device())?;
        let w = [Parameter::new("w", Var::from_tensor(&start)?)];
        let schedule = one_cycle().over(8);
        let mut optimizer = config.build(&w)?;
        for (step, wanted) in case["steps"].as_array().expect("steps").iter().enumerate() {
            optimizer.set_learning_rate(schedule.rate(0.1, step)?)?;
            optimizer.set_momentum(schedule.momentum(step)?.expect("a momentum"))?;
            if step == 4 {
                let path = folder.path().join(name);
                optimizer.save(&path)?;
                let before = optimizer.momentum();
                optimizer = config.build(&w)?;
                assert_ne!(optimizer.momentum(), before);
                optimizer.load(&path)?;
                assert_eq!(optimizer.momentum(), before, "{name}");
            }
            optimizer.step(&backward(&(w[0].var.as_tensor() - 1.0)?.sqr()?.mean_all()?)?)?;
            for (got, wanted) in w[0].var.to_vec1::<f64>()?.into_iter().zip(numbers(wanted)) {
                assert!((got - wanted).abs() < 1e-12, "{name}, step {step}: {got}, not {wanted}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_momentum_that_cannot_be_set_is_refused() -> Any {
    let w = [super::parameter("w", &[2])?];
    let cases: [(OptimizerConfig, f64, &str); 6] = [
        (sgd(0.1).into(), 0.9, "built with momentum"),
        (rmsprop(0.1).into(), 0.9, "built with momentum"),
        (adagrad(0.1).into(), 0.9, "It has none"),
        (sgd(0.1).momentum(0.9).into(), 0.0, "above 0 and below 1"),
        (adam(0.1).into(), 1.0, "below 1"),
        (adam(0.1).into(), f64::NAN, "momentum"),
    ];
    for (config, momentum, named) in cases {
        let mut optimizer = config.build(&w)?;
        let before = optimizer.momentum();
        let error = optimizer.set_momentum(momentum).expect_err(named).to_string();
        assert!(error.contains(named), "{error} should name {named}");
        assert_eq!(optimizer.momentum(), before);
    }
    assert_eq!(adam(0.1).build(&w)?.momentum(), Some(0.9));
    Ok(())
}

//! Optimizers against PyTorch's trajectories, what they refuse, their groups and their saved state; schedules, clipping,
//! averages and what else stands around them.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use gpu::device;
use sconce::nn::Parameter;
use sconce::optim::{OptimizerConfig, adagrad, adam, adamw, rmsprop, sgd};
use serde_json::Value;

mod averages;
mod bounds;
#[path = "../gpu/mod.rs"]
mod gpu;
mod groups;
mod layers;
mod plateau;
#[path = "../rerun/mod.rs"]
mod rerun;
mod schedules;
mod state;

type Any = Result<(), Box<dyn std::error::Error>>;

fn fixture() -> Value {
    serde_json::from_str(include_str!("../../../tests/fixtures/optim/optim.json"))
        .expect("optim.json is JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
}

/// The configuration that a case of the fixture stands for.
fn config(case: &Value) -> OptimizerConfig {
    let number = |name: &str, default: f64| case["args"][name].as_f64().unwrap_or(default);
    let flag = |name: &str| case["args"][name].as_bool().unwrap_or(false);
    let lr = number("lr", f64::NAN);
    match case["name"].as_str().expect("a name") {
        "SGD" => {
            let sgd = sgd(lr)
                .momentum(number("momentum", 0.0))
                .dampening(number("dampening", 0.0))
                .weight_decay(number("weight_decay", 0.0));
            if flag("nesterov") { sgd.nesterov().into() } else { sgd.into() }
        }
        "Adam" => {
            let adam = adam(lr).weight_decay(number("weight_decay", 0.0));
            if flag("amsgrad") { adam.amsgrad().into() } else { adam.into() }
        }
        "AdamW" => adamw(lr).weight_decay(number("weight_decay", 0.01)).into(),
        "RMSprop" => rmsprop(lr).alpha(number("alpha", 0.99)).momentum(number("momentum", 0.0)).into(),
        "Adagrad" => adagrad(lr).into(),
        name => panic!("no optimizer for {name}"),
    }
}

fn follows(case: &Value, config: OptimizerConfig, dtype: DType) -> Any {
    let fixture = fixture();
    let on = &device();
    let a: Vec<f64> = fixture["A"].as_array().expect("rows").iter().flat_map(numbers).collect();
    let a = Tensor::from_vec(a, (8, 5), on)?.to_dtype(dtype)?;
    let b = Tensor::from_vec(numbers(&fixture["b"]), (8, 1), on)?.to_dtype(dtype)?;
    let start = Tensor::from_vec(numbers(&fixture["w0"]), (5, 1), on)?.to_dtype(dtype)?;
    let w = Parameter::new("w", Var::from_tensor(&start)?);
    let mut optimizer = config.build(std::slice::from_ref(&w))?;
    for (step, wanted) in case["trajectory"].as_array().expect("steps").iter().enumerate() {
        let loss = (a.matmul(&w.var)? - &b)?.sqr()?.mean_all()?;
        optimizer.step(&loss.backward()?)?;
        let got = w.var.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        for (got, wanted) in got.iter().zip(numbers(wanted)) {
            let (name, args) = (&case["name"], &case["args"]);
            assert!(
                (got - wanted).abs() < 1e-6,
                "{name} {args} {dtype:?}, step {}: {got}, not {wanted}",
                step + 1
            );
        }
    }
    Ok(())
}

#[test]
fn trajectories_are_pytorchs() -> Any {
    let mut covered = Vec::new();
    for case in fixture()["optimizers"].as_array().expect("cases") {
        // Sorted, because the order of a JSON object's keys follows a feature that other crates can turn on.
        let args: BTreeMap<_, _> = case["args"].as_object().into_iter().flatten().collect();
        let title =
            format!("{} {}", case["name"].as_str().unwrap_or_default(), serde_json::to_string(&args)?);
        follows(case, config(case), DType::F32)?;
        follows(case, config(case), DType::F64)?;
        covered.push(title);
    }
    assert_eq!(
        covered,
        [
            r#"SGD {"lr":0.1}"#,
            r#"SGD {"lr":0.1,"momentum":0.9}"#,
            r#"SGD {"lr":0.1,"momentum":0.9,"nesterov":true,"weight_decay":0.01}"#,
            r#"SGD {"dampening":0.5,"lr":0.1,"momentum":0.9}"#,
            r#"Adam {"lr":0.05}"#,
            r#"Adam {"lr":0.05,"weight_decay":0.01}"#,
            r#"Adam {"amsgrad":true,"lr":0.05}"#,
            r#"AdamW {"lr":0.05,"weight_decay":0.1}"#,
            r#"RMSprop {"alpha":0.9,"lr":0.02,"momentum":0.5}"#,
            r#"Adagrad {"lr":0.1}"#,
        ]
    );
    Ok(())
}

/// `sum(weight * factor)`, whose gradient is `factor`.
fn gradients(parts: &[(&Parameter, f64)]) -> candle_core::Result<GradStore> {
    let mut loss = Tensor::zeros((), DType::F32, &device())?;
    for (parameter, factor) in parts {
        loss = (loss + (parameter.var.as_tensor() * *factor)?.sum_all()?)?;
    }
    loss.backward()
}

fn parameter(name: &str, shape: &[usize]) -> candle_core::Result<Parameter> {
    Ok(Parameter::new(name, Var::ones(shape, DType::F32, &device())?))
}

#[test]
fn many_threads_move_a_large_parameter_as_one_does() -> Any {
    // 100,003 elements are cut into chunks; each must take the same way as a parameter of one element.
    for config in [sgd(0.1).momentum(0.9).into(), OptimizerConfig::from(adamw(0.01).amsgrad())] {
        let (large, small) = (parameter("large", &[100_003])?, parameter("small", &[1])?);
        let mut optimizer = config.build(&[large.clone(), small.clone()])?;
        for step in 0..5 {
            let factor = 0.5 - f64::from(step) * 0.3;
            optimizer.step(&gradients(&[(&large, factor), (&small, factor)])?)?;
        }
        let wanted = small.var.to_vec1::<f32>()?[0];
        assert_ne!(wanted, 1.0);
        assert!(large.var.to_vec1::<f32>()?.iter().all(|&value| value == wanted));
    }
    Ok(())
}

#[test]
fn a_parameter_without_gradient_is_named_and_nothing_moves() -> Any {
    let (stem, head) = (parameter("stem.weight", &[3])?, parameter("head.weight", &[3])?);
    let mut optimizer = adamw(0.1).build(&[stem.clone(), head])?;
    let error = optimizer.step(&gradients(&[(&stem, 1.0)])?).expect_err("head has no gradient");
    assert!(error.to_string().contains("none for \"head.weight\""), "{error}");
    assert_eq!(stem.var.to_vec1::<f32>()?, [1.0; 3]);
    Ok(())
}

#[test]
fn a_view_as_gradient_is_read_rightly() -> Any {
    let w = parameter("w", &[2, 3])?;
    let by = Tensor::arange(0f32, 6.0, &device())?.reshape((3, 2))?;
    let mut store = gradients(&[(&w, 1.0)])?;
    store.insert(&w.var, by.t()?);
    sgd(1.0).build(std::slice::from_ref(&w))?.step(&store)?;
    assert_eq!(w.var.to_vec2::<f32>()?, [[1.0, -1.0, -3.0], [0.0, -2.0, -4.0]]);
    Ok(())
}

#[test]
fn a_step_changes_the_weights_where_they_lie() -> Any {
    // Another handle to the same storage sees the step.
    let w = parameter("w", &[4])?;
    let view = w.var.as_detached_tensor();
    sgd(0.5).build(std::slice::from_ref(&w))?.step(&gradients(&[(&w, 1.0)])?)?;
    assert_eq!(view.to_vec1::<f32>()?, [0.5; 4]);
    Ok(())
}

#[test]
fn the_learning_rate_changes_between_steps() -> Any {
    let w = parameter("w", &[1])?;
    let mut optimizer = sgd(1.0).build(std::slice::from_ref(&w))?;
    optimizer.step(&gradients(&[(&w, 1.0)])?)?;
    optimizer.set_learning_rate(0.25)?;
    assert_eq!(optimizer.learning_rate(), 0.25);
    optimizer.step(&gradients(&[(&w, 1.0)])?)?;
    assert_eq!(w.var.to_vec1::<f32>()?, [-0.25]);
    assert!(optimizer.set_learning_rate(f64::NAN).is_err());
    assert_eq!(optimizer.learning_rate(), 0.25);
    Ok(())
}

/// Two steps along the gradient 1, by hand.
#[test]
fn what_the_fixtures_do_not_set() -> Any {
    let cases: [(OptimizerConfig, [f32; 2]); 2] = [
        // Mean square and mean are 1/2, then 3/4; their spread 1/4, then 3/16.
        (rmsprop(0.1).alpha(0.5).centered().into(), [1.0 - 0.1 / 0.5, 0.8 - 0.1 / 0.187_5_f32.sqrt()]),
        (adagrad(0.1).lr_decay(0.5).into(), [0.9, 0.9 - 0.1 / 1.5 / 2_f32.sqrt()]),
    ];
    for (config, wanted) in cases {
        let w = parameter("w", &[1])?;
        let mut optimizer = config.build(std::slice::from_ref(&w))?;
        for wanted in wanted {
            optimizer.step(&gradients(&[(&w, 1.0)])?)?;
            let got = w.var.to_vec1::<f32>()?[0];
            assert!((got - wanted).abs() < 1e-6, "{}: {got}, not {wanted}", config.name());
        }
    }
    Ok(())
}

#[test]
fn bad_settings_are_refused_by_name() -> Any {
    let w = parameter("w", &[1])?;
    let whole = Parameter::new("count", Var::zeros(1, DType::U32, &device())?);
    let twin = Parameter::new("v", w.var.clone());
    let one = std::slice::from_ref(&w);
    let cases = [
        (sgd(-0.1).build(one), "learning rate"),
        (sgd(f64::INFINITY).build(one), "learning rate"),
        (sgd(0.1).momentum(1.0).build(one), "momentum"),
        (sgd(0.1).nesterov().build(one), "nesterov"),
        (adamw(0.1).betas(0.9, 1.0).build(one), "second beta"),
        (adam(0.1).eps(0.0).build(one), "eps"),
        (rmsprop(0.1).alpha(1.0).build(one), "alpha"),
        (rmsprop(0.1).eps(0.0).build(one), "eps"),
        (adagrad(0.1).lr_decay(-1.0).build(one), "lr_decay"),
        (adam(0.1).weight_decay(-1.0).build(one), "weight_decay"),
        (sgd(0.1).build(&[whole]), "\"count\""),
        (sgd(0.1).build(&[w.clone(), twin]), "\"w\" and \"v\""),
    ];
    for (outcome, named) in cases {
        let error = outcome.map(|_| ()).expect_err(named).to_string();
        assert!(error.contains(named), "{error} should name {named}");
    }
    Ok(())
}

/// On devices without kernels of ours, too.
#[test]
fn composed_steps_move_alike() {
    rerun::with_composed_operators(&[]);
}

#[test]
fn narrower_vectors_move_alike() {
    rerun::with_narrower_vectors(&["trajectories"]);
}

#[test]
fn a_gpu_moves_alike() {
    gpu::again_on_a_gpu(&[]);
}

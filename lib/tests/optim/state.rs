//! A run that is saved and goes on later is the run that never stopped; other files are refused.

use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use sconce::nn::Parameter;
use sconce::optim::{Optimizer, OptimizerConfig, adagrad, adam, adamw, param_group, rmsprop, sgd};

use super::{Any, device, parameter};

fn every_kind() -> [OptimizerConfig; 11] {
    [
        sgd(0.1).into(),
        sgd(0.1).momentum(0.9).dampening(0.1).weight_decay(0.01).into(),
        sgd(0.1).momentum(0.9).nesterov().group(param_group("b").lr(0.03)),
        adam(0.05).into(),
        adam(0.05).amsgrad().weight_decay(0.01).into(),
        adamw(0.05).group(param_group("b").lr_scale(0.1).weight_decay(0.0)),
        rmsprop(0.02).into(),
        rmsprop(0.02).momentum(0.5).into(),
        rmsprop(0.02).centered().into(),
        rmsprop(0.02).momentum(0.5).centered().into(),
        adagrad(0.1).lr_decay(0.1).into(),
    ]
}

/// Two parameters, one of each precision, that do not depend on each other's order.
fn parameters() -> candle_core::Result<[Parameter; 2]> {
    let a = Tensor::arange(0f32, 6.0, &device())?.reshape((2, 3))?;
    let b = Tensor::new(&[0.3f64, -0.7], &device())?;
    Ok([("a", a), ("b", b)]
        .map(|(name, value)| Parameter::new(name, Var::from_tensor(&value).expect("a variable"))))
}

/// Steps downhill on `sum((w - 1)^2)`, with a rate that changes on the way.
fn train(optimizer: &mut Optimizer, [a, b]: &[Parameter; 2], steps: std::ops::Range<i32>) -> Any {
    for step in steps {
        if step % 4 == 2 {
            optimizer.set_learning_rate(optimizer.learning_rate() * 0.7)?;
        }
        let loss = (a.var.as_tensor() - 1.0)?.sqr()?.sum_all()?.to_dtype(DType::F64)?;
        let loss = (loss + (b.var.as_tensor() - 1.0)?.sqr()?.sum_all()?)?;
        optimizer.step(&loss.backward()?)?;
    }
    Ok(())
}

fn bits([a, b]: &[Parameter; 2]) -> candle_core::Result<(Vec<u32>, Vec<u64>)> {
    let a = a.var.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f32::to_bits).collect();
    Ok((a, b.var.to_vec1::<f64>()?.into_iter().map(f64::to_bits).collect()))
}

#[test]
fn saved_and_restored_it_goes_on_bit_for_bit() -> Any {
    let folder = tempfile::tempdir()?;
    for (at, config) in every_kind().into_iter().enumerate() {
        let path = folder.path().join(format!("{at}.safetensors"));
        let whole = parameters()?;
        train(&mut config.build(&whole)?, &whole, 0..10)?;

        let first = parameters()?;
        let mut optimizer = config.build(&first)?;
        train(&mut optimizer, &first, 0..5)?;
        optimizer.save(&path)?;
        // Another process: new variables of the same values, in another order.
        let mut second = parameters()?;
        for (second, first) in second.iter().zip(&first) {
            second.var.set(&first.var.copy()?)?;
        }
        second.reverse();
        let mut restored = config.build(&second)?;
        second.reverse();
        restored.load(&path)?;
        train(&mut restored, &second, 5..10)?;
        assert_eq!(bits(&second)?, bits(&whole)?, "{} ({at})", config.name());
    }
    Ok(())
}

#[test]
fn the_same_state_gives_the_same_bytes() -> Any {
    let folder = tempfile::tempdir()?;
    let parameters = parameters()?;
    let mut optimizer = adamw(0.1).build(&parameters)?;
    train(&mut optimizer, &parameters, 0..2)?;
    let bytes = |name: &str| -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let path = folder.path().join(name);
        optimizer.save(&path)?;
        Ok(std::fs::read(path)?)
    };
    assert_eq!(bytes("one")?, bytes("two")?);
    let tensors = candle_core::safetensors::load(folder.path().join("one"), &Device::Cpu)?;
    let mut names: Vec<&String> = tensors.keys().collect();
    names.sort();
    assert_eq!(names, ["a.exp_avg", "a.exp_avg_sq", "b.exp_avg", "b.exp_avg_sq"]);
    assert_eq!(tensors["a.exp_avg"].dims(), [2, 3]);
    Ok(())
}

#[test]
fn another_optimizers_file_is_refused_and_changes_nothing() -> Any {
    let folder = tempfile::tempdir()?;
    let save = |name: &str, config: OptimizerConfig, parameters: &[Parameter]| -> sconce::Result<_> {
        let path = folder.path().join(name);
        config.build(parameters)?.save(&path)?;
        Ok(path)
    };
    let [a, b] = parameters()?;
    let small = parameter("a", &[3])?;
    let both = [a.clone(), b.clone()];
    let c = Parameter::new("c", b.var.clone());
    let weights = folder.path().join("weights");
    candle_core::safetensors::save(&[("a", a.var.as_tensor().clone())].into(), &weights)?;
    let torn = folder.path().join("torn");
    let whole = std::fs::read(save("whole", adam(0.1).into(), &both)?)?;
    std::fs::write(&torn, &whole[..whole.len() - 1])?;
    let cases = [
        (save("kind", adamw(0.1).into(), &both)?, "expected the state of adam, got the state of adamw"),
        (save("more kept", adam(0.1).amsgrad().into(), &both)?, "unexpected a.max_exp_avg_sq"),
        (save("fewer", adam(0.1).into(), std::slice::from_ref(&a))?, "missing b."),
        (save("another", adam(0.1).into(), &[a, c])?, "missing b; unexpected c"),
        (save("shape", adam(0.1).into(), &[small, b])?, "a.exp_avg: F32 (3) instead of F32 (2, 3)"),
        (weights, "a safetensors file without one"),
        (torn, "damaged"),
        (folder.path().join("none"), "read "),
    ];
    let mut optimizer = adam(0.1).build(&both)?;
    train(&mut optimizer, &both, 0..3)?;
    let file = |optimizer: &Optimizer| -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let path = folder.path().join("now");
        optimizer.save(&path)?;
        Ok(std::fs::read(path)?)
    };
    let before = file(&optimizer)?;
    for (path, named) in cases {
        let error = optimizer.load(&path).expect_err(named).to_string();
        assert!(error.contains(named), "{error} should say {named}");
        assert!(error.contains(&*path.to_string_lossy()), "{error} should name the file");
    }
    assert_eq!(file(&optimizer)?, before);
    Ok(())
}

#[test]
fn what_cannot_be_saved_leaves_the_old_file() -> Any {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("state");
    std::fs::write(&path, "old")?;
    let twins = [parameter("w", &[1])?, parameter("w", &[1])?];
    let error = adam(0.1).build(&twins)?.save(&path).expect_err("two of one name").to_string();
    assert!(error.contains("\"w\" twice"), "{error}");
    assert_eq!(std::fs::read(&path)?, b"old");
    let error = adam(0.1).build(&twins[..1])?.save(Path::new("no/such/folder/state")).expect_err("no folder");
    assert!(error.to_string().starts_with("write "), "{error}");
    Ok(())
}

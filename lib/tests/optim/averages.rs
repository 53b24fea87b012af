//! The average of the weights: by its formula, exchanged and back, saved and loaded; what is refused.

use candle_core::{DType, Tensor, Var};
use sconce::nn::Parameter;
use sconce::optim::Ema;

use super::{Any, device, parameter};

fn single(name: &str, value: f64) -> candle_core::Result<[Parameter; 1]> {
    let var = Var::from_tensor(&Tensor::new(&[value, -value], &device())?)?;
    Ok([Parameter::new(name, var)])
}

fn set(parameters: &[Parameter], value: f64) -> Any {
    for parameter in parameters {
        let value = (parameter.var.ones_like()? * value)?;
        parameter.var.set(&value.detach())?;
    }
    Ok(())
}

fn bits(parameters: &[Parameter]) -> Result<Vec<u64>, Box<dyn std::error::Error>> {
    let mut bits = Vec::new();
    for parameter in parameters {
        let values = parameter.var.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        bits.extend(values.into_iter().map(f64::to_bits));
    }
    Ok(bits)
}

#[test]
fn values_follow_the_formula() -> Any {
    for warm in [false, true] {
        let w = single("w", 2.0)?;
        let mut ema = Ema::new(&w, 0.9)?;
        if warm {
            ema = ema.warmup();
        }
        let mut wanted = [2.0, -2.0];
        for n in 0..200u32 {
            let value = (f64::from(n) * 0.3).sin();
            set(&w, value)?;
            let decay = if warm { f64::min(0.9, (1.0 + f64::from(n)) / (10.0 + f64::from(n))) } else { 0.9 };
            assert_eq!(ema.next_decay(), decay);
            ema.update(&w)?;
            wanted = wanted.map(|average| decay * average + (1.0 - decay) * value);
        }
        assert_eq!(ema.updates(), 200);
        let before = bits(&w)?;
        ema.swap(&w)?;
        assert!(ema.is_swapped());
        for (got, wanted) in w[0].var.to_vec1::<f64>()?.into_iter().zip(wanted) {
            assert!((got - wanted).abs() < 1e-14, "{got}, not {wanted}");
        }
        ema.swap(&w)?;
        assert_eq!(bits(&w)?, before);
    }
    Ok(())
}

/// Chunks and threads, and both precisions: exchanging twice is nothing, and a restored average goes on bit for bit.
#[test]
fn exchanged_twice_and_saved_it_is_the_same_bit_for_bit() -> Any {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ema.safetensors");
    let values = Tensor::arange(0f32, 100_003.0, &device())?.sin()?;
    let large = Parameter::new("large", Var::from_tensor(&values)?);
    let [small] = single("small", 0.1)?;
    let w = [large, small];
    let mut ema = Ema::new(&w, 0.999)?.warmup();
    for step in 0..5 {
        for parameter in &w {
            parameter.var.set(&(parameter.var.as_detached_tensor() * (0.7 + f64::from(step) * 0.11))?)?;
        }
        ema.update(&w)?;
    }
    let before = bits(&w)?;
    ema.swap(&w)?;
    let averages = bits(&w)?;
    assert_ne!(averages, before);
    ema.swap(&w)?;
    assert_eq!(bits(&w)?, before);

    ema.save(&path)?;
    let mut restored = Ema::new(&w, 0.999)?.warmup();
    restored.load(&path)?;
    assert_eq!((restored.updates(), restored.next_decay()), (5, ema.next_decay()));
    for average in [&mut ema, &mut restored] {
        set(&w, 0.3)?;
        average.update(&w)?;
    }
    ema.swap(&w)?;
    let one = bits(&w)?;
    ema.swap(&w)?;
    restored.swap(&w)?;
    assert_eq!(bits(&w)?, one);
    // The names and types of a model's own file.
    let tensors = candle_core::safetensors::load(&path, &device())?;
    assert_eq!(tensors["large"].dims(), [100_003]);
    assert_eq!(tensors["small"].dtype(), DType::F64);
    Ok(())
}

#[test]
fn what_does_not_fit_is_named_and_changes_nothing() -> Any {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let model = [parameter("stem", &[2])?, parameter("head", &[3])?];
    let other = [parameter("stem", &[2])?, parameter("tail", &[3])?];
    let wider = [parameter("stem", &[2])?, parameter("head", &[4])?];
    let turned = [model[1].clone(), model[0].clone()];
    let mut ema = Ema::new(&model, 0.5)?;
    set(&model, 3.0)?;
    Ema::new(&other, 0.5)?.save(path("other"))?;
    Ema::new(&wider, 0.5)?.save(path("wider"))?;
    candle_core::safetensors::save(
        &std::collections::HashMap::from([("stem", model[0].var.as_detached_tensor())]),
        path("weights"),
    )?;
    std::fs::write(path("text"), "no tensors")?;
    let cases = [
        (ema.update(&other), "missing head; unexpected tail"),
        (ema.swap(&wider), "head: F32 (4) instead of F32 (3)"),
        (ema.update(&model[..1]), "missing head"),
        (ema.update(&turned), "another order"),
        (ema.load(path("other")), "missing head; unexpected tail"),
        (ema.load(path("wider")), "head: F32 (4) instead of F32 (3)"),
        (ema.load(path("weights")), "without them"),
        (ema.load(path("text")), "a safetensors file"),
        (ema.load(path("nowhere")), "nowhere"),
        (Ema::new(&model, 1.0).map(|_| ()), "decay"),
        (Ema::new(&model, f64::NAN).map(|_| ()), "decay"),
        (Ema::new(&[model[0].clone(), model[0].clone()], 0.9).map(|_| ()), "\"stem\" twice"),
    ];
    for (outcome, named) in cases {
        let error = outcome.expect_err(named).to_string();
        assert!(error.contains(named), "{error} should name {named}");
    }
    assert_eq!(ema.updates(), 0);
    ema.swap(&model)?;
    assert_eq!(model[1].var.to_vec1::<f32>()?, [1.0; 3]);
    for outcome in [ema.update(&model), ema.save(path("never")), ema.load(path("other"))] {
        let error = outcome.expect_err("the averages are in the model").to_string();
        assert!(error.contains("Call swap"), "{error}");
    }
    assert!(!path("never").exists());
    Ok(())
}

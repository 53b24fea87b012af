use candle_core::{DType, Device, Tensor, Var};
use sconce::losses::{CrossEntropy, Loss, cross_entropy};

use crate::fixtures::{Any, Case, close};

#[test]
fn cross_entropy_is_pytorchs() -> Any {
    let weights: Vec<f64> =
        serde_json::from_value(Case::of("cross_entropy_weighted")?.params["weight"].clone())?;
    let covered: [(&str, CrossEntropy); 5] = [
        ("cross_entropy", cross_entropy()),
        ("cross_entropy_smoothed", cross_entropy().label_smoothing(0.1)),
        ("cross_entropy_weighted", cross_entropy().class_weights(weights.clone())),
        ("cross_entropy_weighted_smoothed", cross_entropy().class_weights(weights).label_smoothing(0.1)),
        ("cross_entropy_ignore", cross_entropy().ignore_index(255)),
    ];
    for (name, loss) in covered {
        let case = Case::of(name)?;
        let targets: Vec<i64> = case.targets()?;
        let targets: Vec<u32> = targets.iter().map(|&label| u32::try_from(label).unwrap_or(255)).collect();
        let targets = Tensor::new(targets, &Device::Cpu)?;
        let loss = Loss::from(loss);
        case.check(|x| loss.of(x, &targets))?;
    }
    Ok(())
}

#[test]
fn probabilities_are_targets_too() -> Any {
    let case = Case::of("cross_entropy_soft")?;
    let targets = case.tensor("targets")?;
    case.check(|x| cross_entropy().of(x, targets))?;

    // The probabilities of a label are the label.
    let x = case.tensor("x")?;
    let labels = Tensor::new(&[0u32, 3, 2, 6, 1, 3], &Device::Cpu)?;
    let certain = labels.unsqueeze(1)?.broadcast_as((6, 7))?;
    let certain =
        certain.eq(&Tensor::arange(0u32, 7, &Device::Cpu)?.broadcast_as((6, 7))?)?.to_dtype(DType::F32)?;
    for loss in [cross_entropy(), cross_entropy().label_smoothing(0.3)] {
        let [soft, hard] = [&certain, &labels]
            .map(|targets| loss.of(x, targets)?.to_scalar::<f32>().map_err(sconce::Error::from));
        close(&[soft?], &[hard?], "one class is certain");
    }
    // With weights PyTorch divides by the samples, not by the weights: F.cross_entropy(x, p, weight=w).
    let logits = Tensor::new(&[[1.0f32, 2.0, 0.5], [0.0, -1.0, 3.0]], &Device::Cpu)?;
    let shares = Tensor::new(&[[0.2f32, 0.3, 0.5], [1.0, 0.0, 0.0]], &Device::Cpu)?;
    let weighted = cross_entropy().class_weights([1.0, 2.0, 0.5]);
    close(&[weighted.of(&logits, &shares)?.to_scalar()?], &[2.064_235_7], "weights");
    close(
        &[weighted.label_smoothing(0.1).of(&logits, &shares)?.to_scalar()?],
        &[2.101_243_5],
        "weights, smoothed",
    );
    Ok(())
}

#[test]
fn pixels_have_labels_as_images_do() -> Any {
    // The mean over pixels, whatever they are arranged in.
    let pixels = Case::of("cross_entropy_ignore")?.tensor("x")?.clone(); // (6, 7)
    let labels = Tensor::new(&[0u32, 255, 2, 6, 255, 3], &Device::Cpu)?;
    let loss = cross_entropy().ignore_index(255);
    let x = Var::from_tensor(&pixels.reshape((1, 2, 3, 7))?.permute((0, 3, 1, 2))?.contiguous()?)?; // (B, C, H, W)
    let value = loss.of(&x, &labels.reshape((1, 2, 3))?)?;
    close(&[value.to_scalar()?], &[loss.of(&pixels, &labels)?.to_scalar()?], "pixels");
    let gradients = value.backward()?;
    let gradient = gradients.get(&x).ok_or("no gradient")?.permute((0, 2, 3, 1))?.flatten_all()?;
    close(
        &gradient.to_vec1()?,
        &Case::of("cross_entropy_ignore")?.tensor("dx")?.flatten_all()?.to_vec1()?,
        "pixels",
    );
    let plain = cross_entropy();
    let labels = Tensor::new(&[0u32, 3, 2, 6, 1, 3], &Device::Cpu)?;
    let whole = plain.of(x.as_tensor(), &labels.reshape((1, 2, 3))?)?;
    close(&[whole.to_scalar()?], &[plain.of(&pixels, &labels)?.to_scalar()?], "pixels without ignored ones");
    Ok(())
}

#[test]
fn shapes_that_do_not_fit_are_both_named() -> Any {
    let cpu = &Device::Cpu;
    let logits = Tensor::zeros((4, 3), DType::F32, cpu)?;
    let cases = [
        (logits.clone(), Tensor::new(&[0u32, 1, 2], cpu)?, "[4, 3]", "U32 [3]"),
        (logits.clone(), Tensor::new(&[0i64, 1, 2, 0], cpu)?, "[4, 3]", "I64 [4]"),
        (logits.flatten_all()?, Tensor::new(&[0u32, 1, 2, 0], cpu)?, "[12]", "U32 [4]"),
        (logits.narrow(0, 0, 0)?, Tensor::zeros(0, DType::U32, cpu)?, "[0, 3]", "U32 [0]"),
        (logits.clone(), Tensor::zeros((4, 2), DType::F32, cpu)?, "[4, 3]", "F32 [4, 2]"),
        (logits.clone(), Tensor::zeros((4, 3), DType::F64, cpu)?, "F32 [4, 3]", "F64 [4, 3]"),
        (logits.clone(), Tensor::zeros((4, 3), DType::U32, cpu)?, "[4, 3]", "U32 [4, 3]"),
    ];
    for (logits, targets, first, second) in cases {
        let error = cross_entropy().of(&logits, &targets).expect_err("shapes that do not fit").to_string();
        assert!(error.contains(first) && error.contains(second), "{error}");
    }
    Ok(())
}

#[test]
fn values_that_make_no_sense_are_named() -> Any {
    let cpu = &Device::Cpu;
    let logits = Tensor::zeros((4, 3), DType::F32, cpu)?;
    let labels = Tensor::new(&[0u32, 1, 3, 0], cpu)?;
    let zeros = Tensor::new(&[0u32; 4], cpu)?;
    let wrong = |row: [f32; 3]| Tensor::new(&[[1.0, 0.0, 0.0], row, [0.0, 1.0, 0.0], [0.2, 0.3, 0.5]], cpu);
    let cases = [
        (cross_entropy(), labels.clone(), "label 3 at index 2"),
        (cross_entropy().ignore_index(255), labels, "label 3 at index 2"),
        (cross_entropy().label_smoothing(1.5), zeros.clone(), "1.5"),
        (cross_entropy().label_smoothing(f64::NAN), zeros.clone(), "NaN"),
        (cross_entropy().class_weights([1.0; 4]), zeros.clone(), "3 class weights, got 4"),
        (cross_entropy().class_weights([1.0, -1.0, 1.0]), zeros.clone(), "-1 for class 1"),
        (cross_entropy().class_weights([0.0, 1.0, 1.0]), zeros.clone(), "weight is 0"),
        (cross_entropy().ignore_index(0), zeros, "4 labels that are all to be ignored"),
        (cross_entropy().ignore_index(0), wrong([0.0, 0.0, 1.0])?, "ignore_index(0)"),
        (cross_entropy(), wrong([0.5, 0.6, 0.0])?, "in sum 1.1000, at index 1"),
        (cross_entropy(), wrong([-0.5, 1.5, 0.0])?, "-0.500"),
        (cross_entropy(), wrong([f32::NAN, 1.0, 0.0])?, "NaN"),
    ];
    for (loss, targets, named) in cases {
        let error = loss.of(&logits, &targets).expect_err(named).to_string();
        assert!(error.contains(named), "{error} should name {named}");
    }
    Ok(())
}

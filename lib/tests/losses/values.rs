//! The other losses against PyTorch's values.

use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use sconce::losses::{
    DecoupledDistillation, Loss, attention_transfer, bce_with_logits, dice, distillation, focal, giou, huber,
    l1, mse, sigmoid_focal, smooth_l1,
};

use crate::fixtures::{Any, Case, close};

const CPU: &Device = &Device::Cpu;

/// Value and gradient, the latter one after the other.
fn value_and_gradient(
    loss: &Loss,
    x: &Tensor,
    targets: &Tensor,
) -> Result<(f32, Vec<f32>), Box<dyn std::error::Error>> {
    let x = Var::from_tensor(x)?;
    let value = loss.of(&x, targets)?;
    let gradient = value.backward()?.get(&x).ok_or("no gradient")?.flatten_all()?.to_vec1()?;
    Ok((value.to_scalar()?, gradient))
}

#[test]
fn distances_are_pytorchs() -> Any {
    for (name, loss) in [("mse", mse()), ("l1", l1()), ("smooth_l1", smooth_l1(0.5))] {
        let case = Case::of(name)?;
        let targets = case.tensor("y")?;
        case.check(|x| loss.of(x, targets))?;
    }
    // F.huber_loss(x, y, delta=0.7) on the numbers of "mse".
    let case = Case::of("mse")?;
    let (value, gradient) = value_and_gradient(&huber(0.7), case.tensor("x")?, case.tensor("y")?)?;
    close(&[value], &[0.336_977_54], "huber");
    let wanted =
        [-0.016_666_668, 0.016_666_668, 0.016_666_668, -0.003_076_451_1, 0.005_328_751_6, -0.000_213_750_77];
    close(&gradient[..6], &wanted, "huber's gradient");
    Ok(())
}

#[test]
fn binary_losses_are_pytorchs() -> Any {
    for (name, loss) in
        [("bce_with_logits", Loss::from(bce_with_logits())), ("sigmoid_focal", sigmoid_focal().into())]
    {
        let case = Case::of(name)?;
        let targets: Vec<Vec<f32>> = case.targets()?;
        let targets = Tensor::new(targets, CPU)?;
        case.check(|x| loss.of(x, &targets))?;
    }
    let x = Tensor::new(&[[0.3f32, -1.2], [2.0, 0.1]], CPU)?;
    let targets = Tensor::new(&[[1.0f32, 0.0], [0.0, 1.0]], CPU)?;
    let weighted = bce_with_logits().pos_weights([3.0, 0.5]).of(&x, &targets)?;
    close(&[weighted.to_scalar()?], &[1.093_868_6], "weighted");
    let plain = sigmoid_focal().without_alpha().gamma(1.5);
    close(&[plain.sum_of(&x, &targets)?.to_scalar()?], &[2.152_380_2], "focal, in sum");
    // Without alpha and gamma it is cross-entropy.
    let [focal, entropy] = [plain.gamma(0.0).of(&x, &targets)?, bce_with_logits().of(&x, &targets)?]
        .map(|loss| loss.to_scalar());
    close(&[focal?], &[entropy?], "gamma 0");
    Ok(())
}

#[test]
fn large_logits_neither_overflow_nor_lose_their_gradient() -> Any {
    let x = Tensor::new(&[100.0f32, -100.0, 100.0, -100.0, 0.0], CPU)?;
    let targets = Tensor::new(&[1.0f32, 0.0, 0.0, 1.0, 0.25], CPU)?;
    let (value, gradient) = value_and_gradient(&bce_with_logits().into(), &x, &targets)?;
    close(&[value], &[40.138_63], "at 100");
    close(&gradient, &[0.0, 0.0, 0.2, -0.2, 0.05], "gradient at 100");
    let hard = targets.ge(0.5)?.to_dtype(DType::F32)?;
    let (value, gradient) = value_and_gradient(&sigmoid_focal().into(), &x, &hard)?;
    // Twice 100, once with alpha and once with 1 - alpha, and ln 2 / 4 of what is in the middle.
    close(&[value], &[(25.0 + 75.0 + 0.75 * 0.25 * 2.0_f32.ln()) / 5.0], "focal at 100");
    assert!(gradient.iter().all(|value| value.is_finite()), "{gradient:?}");
    let logits = Tensor::new(&[[200.0f32, 0.0], [0.0, 200.0]], CPU)?;
    let (value, gradient) =
        value_and_gradient(&focal().gamma(0.5).into(), &logits, &Tensor::new(&[0u32, 0], CPU)?)?;
    close(&[value], &[100.0], "softmax focal at 200");
    close(&gradient, &[0.0, 0.0, -0.5, 0.5], "gradient of the softmax focal at 200");
    Ok(())
}

#[test]
fn softmax_focal_is_what_pytorch_makes_of_its_formula() -> Any {
    let logits = Tensor::new(&[[1.0f32, 2.0, 0.5], [0.0, -1.0, 3.0], [4.0, 0.0, 0.0]], CPU)?;
    let labels = Tensor::new(&[2u32, 0, 0], CPU)?;
    let (value, gradient) = value_and_gradient(&focal().into(), &logits, &labels)?;
    close(&[value], &[1.412_931_3], "focal");
    let wanted = [
        0.093_483_105,
        0.254_113_44,
        -0.347_596_56,
        -0.375_457_5,
        0.006_753_056,
        0.368_704_44,
        -4.359_912e-5,
        2.179_951_7e-5,
        2.179_951_7e-5,
    ];
    close(&gradient, &wanted, "focal's gradient");
    let weighted = focal().gamma(0.5).class_weights([1.0, 2.0, 0.5]);
    let (value, gradient) = value_and_gradient(&weighted.into(), &logits, &labels)?;
    close(&[value], &[1.303_683_6], "weighted focal");
    let wanted = [
        0.041_457_918,
        0.112_694_31,
        -0.154_152_23,
        -0.333_557_22,
        0.005_999_428_7,
        0.327_557_77,
        -0.003_301_541,
        0.001_650_767_2,
        0.001_650_767_2,
    ];
    close(&gradient, &wanted, "weighted focal's gradient");
    Ok(())
}

#[test]
fn dice_counts_pixels_that_lie_on_each_other() -> Any {
    let logits = [1.0f32, -1.0, 0.5, 2.0, 0.0, 0.5, -0.5, 1.0, 0.2, 0.1, 1.5, -2.0];
    let logits = Tensor::from_slice(&logits, (1, 3, 2, 2), CPU)?;
    let labels = Tensor::new(&[[[0u32, 1], [2, 255]]], CPU)?;
    let (value, gradient) = value_and_gradient(&dice().ignore_index(255).into(), &logits, &labels)?;
    close(&[value], &[0.278_799_06], "dice");
    let wanted = [
        -0.055_720_262,
        0.014_889_723,
        0.034_729_13,
        0.0,
        0.026_569_363,
        -0.056_179_78,
        0.013_102_936,
        0.0,
        0.029_150_901,
        0.041_290_056,
        -0.047_832_064,
        0.0,
    ];
    close(&gradient, &wanted, "dice's gradient");
    let one = logits.narrow(1, 0, 1)?;
    let labels = Tensor::new(&[[[1u32, 0], [0, 1]]], CPU)?;
    close(&[dice().smooth(0.5).of(&one, &labels)?.to_scalar()?], &[0.255_742_43], "of one class");
    Ok(())
}

#[test]
fn distillation_and_giou_are_pytorchs() -> Any {
    let case = Case::of("kd_kl")?;
    let teacher = Var::from_tensor(case.tensor("y")?)?;
    case.check(|x| distillation(4.0).of(x, &teacher))?;
    let loss = distillation(4.0).of(case.tensor("x")?, &teacher)?;
    let gradient = loss.backward()?.get(&teacher).ok_or("no gradient")?.flatten_all()?;
    close(&gradient.to_vec1()?, &case.tensor("dy")?.flatten_all()?.to_vec1()?, "the teacher's");

    let found = Tensor::new(&[[0.1f32, 0.2, 0.5, 0.6], [0.0, 0.0, 0.2, 0.2], [0.3, 0.3, 0.9, 0.8]], CPU)?;
    let truths = Tensor::new(&[[0.2f32, 0.1, 0.6, 0.5], [0.5, 0.5, 0.9, 0.7], [0.3, 0.3, 0.9, 0.8]], CPU)?;
    let (value, gradient) = value_and_gradient(&giou(), &found, &truths)?;
    close(&[value], &[0.832_739_83], "giou");
    // A step downhill brings the box that does not touch its target nearer to it.
    assert!(gradient[4] < 0.0 || gradient[6] < 0.0, "{gradient:?}");
    Ok(())
}

/// Formulas of papers that PyTorch has no function for, written out in it.
#[test]
fn decoupled_distillation_and_attention_transfer_are_the_papers() -> Any {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/losses/distillation.safetensors");
    let all = candle_core::safetensors::load(path, CPU)?;
    let of = |name: &str, part: &str| all.get(&format!("{name}/{part}")).ok_or(format!("{name}/{part}"));
    let other = DecoupledDistillation { temperature: 1.5, target: 2.0, others: 0.5 };
    let decoupled = |config: DecoupledDistillation, labels: &Tensor| {
        let labels = labels.clone();
        Loss::new("decoupled", move |student, teacher| config.of(student, teacher, &labels))
    };
    let cases = [
        ("decoupled", decoupled(DecoupledDistillation::default(), of("decoupled", "labels")?)),
        ("decoupled_other", decoupled(other, of("decoupled_other", "labels")?)),
        ("attention", attention_transfer()),
        ("attention_pooled", attention_transfer()),
    ];
    for (name, loss) in cases {
        let (value, gradient) = value_and_gradient(&loss, of(name, "student")?, of(name, "teacher")?)?;
        close(&[value], &of(name, "loss")?.to_vec1::<f32>()?, name);
        close(&gradient, &of(name, "gradient")?.flatten_all()?.to_vec1()?, name);
    }
    Ok(())
}

#[test]
fn decoupled_distillation_of_shares_and_of_sure_teachers() -> Any {
    let student = Tensor::new(&[[1.0f32, 2.0, 0.5], [0.0, -1.0, 3.0]], CPU)?;
    let teacher = Tensor::new(&[[300.0f32, 0.0, 1.0], [-2.0, 0.0, 300.0]], CPU)?;
    let loss = DecoupledDistillation::default();
    let labels = Tensor::new(&[0u32, 2], CPU)?;
    let shares = Tensor::new(&[[0.6f32, 0.4, 0.0], [0.3, 0.3, 0.4]], CPU)?;
    let by_labels = loss.of(&student, &teacher, &labels)?.to_scalar::<f32>()?;
    // What the others are like still counts where the teacher is as good as certain.
    let sure = DecoupledDistillation { target: 0.0, ..loss };
    assert!(sure.of(&student, &teacher, &labels)?.to_scalar::<f32>()? > 0.01);
    assert!(by_labels.is_finite());
    assert_eq!(loss.of(&student, &teacher, &shares)?.to_scalar::<f32>()?, by_labels);
    let as_loss = Loss::new("decoupled", move |s, t| loss.of(s, t, &labels));
    let (_, gradient) = value_and_gradient(&as_loss, &student, &teacher)?;
    assert!(gradient.iter().all(|value| value.is_finite()), "{gradient:?}");
    // Dead features look nowhere, and get no gradient that is no number.
    let (value, gradient) = value_and_gradient(
        &attention_transfer(),
        &Tensor::zeros((1, 2, 2, 2), DType::F32, CPU)?,
        &Tensor::ones((1, 3, 2, 2), DType::F32, CPU)?,
    )?;
    close(&[value], &[0.25], "dead");
    assert_eq!(gradient, [0.0; 8]);
    let one = student.narrow(1, 0, 1)?.contiguous()?;
    let labels = Tensor::new(&[0u32, 3], CPU)?;
    for (error, named) in [
        (loss.of(&one, &one, &labels), "at least 2 classes"),
        (loss.of(&student, &teacher, &labels), "label 3 at index 1"),
        (loss.of(&student, &teacher, &student.narrow(1, 0, 2)?), "shares (B, C)"),
        (attention_transfer().of(&student, &teacher), "F32 [2, 3]"),
        (
            attention_transfer().of(&student.unsqueeze(0)?, &Tensor::zeros((1, 3, 3), DType::F32, CPU)?),
            "equally many tokens",
        ),
    ] {
        let error = error.expect_err(named).to_string();
        assert!(error.contains(named), "{error} should name {named}");
    }
    Ok(())
}

#[test]
fn what_losses_cannot_take_is_named() -> Any {
    let two = Tensor::new(&[[0.5f32, 0.5], [1.0, 0.0]], CPU)?;
    let labels = Tensor::new(&[0u32, 1], CPU)?;
    let three = Tensor::new(&[0.5f32, 0.5, 1.0], CPU)?;
    let cases: Vec<(Loss, &Tensor, Tensor, &str)> = vec![
        (mse(), &two, three.clone(), "F32 [3]"),
        (l1(), &two, labels.clone(), "U32 [2]"),
        (smooth_l1(0.0), &two, two.clone(), "got 0"),
        (huber(f64::NAN), &two, two.clone(), "NaN"),
        (bce_with_logits().into(), &two, (&two * 2.0)?, "2 at index 2"),
        (bce_with_logits().pos_weights([1.0]).into(), &two, two.clone(), "2 weights, got 1"),
        (bce_with_logits().pos_weights([1.0, -1.0]).into(), &two, two.clone(), "-1"),
        (sigmoid_focal().into(), &two, two.clone(), "0.5 at index 0"),
        (sigmoid_focal().alpha(2.0).into(), &two, two.clone(), "alpha from 0 to 1, got 2"),
        (sigmoid_focal().gamma(-1.0).into(), &two, two.clone(), "-1"),
        (focal().into(), &two, Tensor::new(&[0u32, 2], CPU)?, "label 2 at index 1"),
        (focal().into(), &three, labels.clone(), "[3]"),
        (focal().class_weights([1.0]).into(), &two, labels.clone(), "2 class weights, got 1"),
        (dice().into(), &two, three.clone(), "F32 [3]"),
        (dice().into(), &two, Tensor::new(&[0u32, 2], CPU)?, "label 2 at index 1"),
        (dice().smooth(0.0).into(), &two, labels.clone(), "smooth above 0"),
        (distillation(0.0), &two, two.clone(), "temperature above 0"),
        (distillation(1.0), &three, three.clone(), "[3]"),
        (giou(), &two, two.clone(), "(N, 4)"),
    ];
    for (loss, output, targets, named) in cases {
        let error = loss.of(output, &targets).expect_err(named).to_string();
        assert!(error.contains(named), "{error} should name {named}");
    }
    Ok(())
}

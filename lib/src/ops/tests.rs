#![allow(clippy::unwrap_used)]

use candle_core::{D, DType, Device, Tensor, Var};

use super::*;
use crate::Seed;

fn zeros(dims: &[usize]) -> Tensor {
    Tensor::zeros(dims, DType::F32, &Device::Cpu).unwrap()
}

fn labels(labels: &[u32]) -> Tensor {
    Tensor::new(labels, &Device::Cpu).unwrap()
}

fn refusal(result: crate::Result<Tensor>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let default = Sliding::default();
    let images = zeros(&[2, 3, 8, 8]);
    let floor = Rounding::Floor;
    for (error, part) in [
        (
            refusal(conv2d(&images, &zeros(&[4, 5, 3, 3]), None, default, 1)),
            "conv2d: expected images with 5 channels for a weight (4, 5, 3, 3), got (2, 3, 8, 8)",
        ),
        (
            refusal(conv2d(&zeros(&[3, 8, 8]), &zeros(&[4, 3, 3, 3]), None, default, 1)),
            "got (3, 8, 8). For a single image add the batch dimension with `unsqueeze(0)?`.",
        ),
        (
            refusal(conv2d(&images, &zeros(&[4, 27]), None, default, 1)),
            "a weight (O, C / groups, KH, KW), got (4, 27)",
        ),
        (
            refusal(conv2d(&images, &zeros(&[4, 3, 3, 3]), Some(&zeros(&[3])), default, 1)),
            "conv2d: expected bias (4), got (3)",
        ),
        (
            refusal(conv2d(&images, &zeros(&[4, 3, 9, 3]), None, default, 1)),
            "images of at least the window, (9, 3), padding included, got (8, 8)",
        ),
        (
            refusal(conv2d(&images, &zeros(&[4, 3, 0, 3]), None, default, 1)),
            "a kernel of at least 1, got (0, 3)",
        ),
        (
            refusal(conv2d(&images, &zeros(&[4, 1, 3, 3]), None, default, 2)),
            "conv2d: expected input channels in 2 groups of one size, got 3",
        ),
        (
            refusal(conv2d(&images, &zeros(&[4, 3, 3, 3]), None, default, 0)),
            "input channels in 0 groups of one size, got 3",
        ),
        (
            refusal(conv2d(&images, &zeros(&[6, 2, 3, 3]), None, default, 3)),
            "images with 6 channels for a weight (6, 2, 3, 3), got (2, 3, 8, 8). The weight has C / 3 channels.",
        ),
        (
            refusal(conv_transpose2d(&images, &zeros(&[3, 4, 3, 3]), None, default, [1, 0], 1)),
            "conv_transpose2d: expected an output_padding smaller than the stride or the dilation, got (1, 0)",
        ),
        (
            refusal(conv_transpose2d(
                &images,
                &zeros(&[3, 4, 1, 1]),
                None,
                Sliding { padding: 4.into(), ..default },
                [0, 0],
                1,
            )),
            "images that give at least one output pixel, got (8, 8). The padding 4 takes that much away",
        ),
        (
            refusal(avg_pool2d(&images, [9, 9], default, floor, Divisor::default())),
            "avg_pool2d: expected images of at least the window, (9, 9), padding included, got (8, 8)",
        ),
        (refusal(adaptive_avg_pool2d(&images, [0, 2])), "an output of at least one pixel, got (0, 2)"),
        (
            refusal(layer_norm(&zeros(&[2, 5]), &zeros(&[4]), &zeros(&[4]), 1e-5)),
            "layer_norm: expected x that ends with the weight's shape (4), got (2, 5)",
        ),
        (
            refusal(group_norm(&zeros(&[2, 4, 3]), 3, &zeros(&[4]), &zeros(&[4]), 1e-5)),
            "group_norm: expected channels in 3 groups of one size, got (2, 4, 3)",
        ),
        (
            refusal(max_pool2d(&zeros(&[3, 8, 8]), [2, 2], default, floor)),
            "max_pool2d: expected images (B, C, H, W)",
        ),
        (
            refusal(max_pool2d(&images, [3, 3], Sliding { padding: [2, 1].into(), ..default }, floor)),
            "a padding of at most half the kernel (3, 3), got (2, 1)",
        ),
        (
            refusal(global_avg_pool(&zeros(&[2, 3]))),
            "global_avg_pool: expected images (B, C, H, W), got (2, 3)",
        ),
        (
            refusal(linear(&zeros(&[2, 3]), &zeros(&[4, 5]), None)),
            "linear: expected x (…, 5) for a weight (4, 5)",
        ),
        (refusal(linear(&zeros(&[]), &zeros(&[4, 5]), None)), "got ()"),
        (refusal(linear(&zeros(&[2, 5]), &zeros(&[5]), None)), "a weight (O, I), got (5)"),
        (refusal(softmax(&zeros(&[2, 0]), 1)), "softmax: expected at least one logit, got (2, 0)"),
        (refusal(softmax(&zeros(&[2, 3]), 2)), "softmax"),
        (refusal(softmax_cross_entropy(&images, &labels(&[0, 1]), 0.0)), "logits (B, C), got (2, 3, 8, 8)"),
        (refusal(softmax_cross_entropy(&zeros(&[2, 3]), &labels(&[0]), 0.0)), "targets (2), got (1)"),
        (
            refusal(softmax_cross_entropy(&zeros(&[0, 3]), &labels(&[]), 0.0)),
            "at least one row and one class",
        ),
    ] {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn types_that_do_not_fit_are_refused() {
    let bytes = zeros(&[2, 3]).to_dtype(DType::U8).unwrap();
    let doubles = zeros(&[4, 3]).to_dtype(DType::F64).unwrap();
    let error = refusal(relu(&bytes));
    assert_eq!(
        error,
        "relu: expected x of dtype f32 or f64, got u8. Convert it with `to_dtype(DType::F32)?`."
    );
    let error = refusal(linear(&zeros(&[2, 3]), &doubles, None));
    assert!(error.starts_with("linear: expected weight of the dtype of x, f32, got f64."), "{error}");
    let targets = Tensor::new(&[0_i64, 1], &Device::Cpu).unwrap();
    let error = refusal(softmax_cross_entropy(&zeros(&[2, 3]), &targets, 0.0));
    assert!(error.contains("expected targets of dtype u32, got i64"), "{error}");
}

#[test]
fn a_label_that_is_no_class_is_named_with_its_place() {
    let error = refusal(softmax_cross_entropy(&zeros(&[3, 10]), &labels(&[1, 9, 10]), 0.0));
    assert_eq!(
        error,
        "softmax_cross_entropy: expected labels below 10, the number of classes, got label 10 at index 2. \
         Give the last layer one output per class, or mend the label."
    );
    let error = refusal(softmax_cross_entropy(&zeros(&[1, 10]), &labels(&[1]), 1.5));
    assert!(error.contains("a label_smoothing in [0, 1], got 1.5"), "{error}");
}

#[test]
fn training_statistics_need_more_than_one_value() {
    let (weight, bias) = (zeros(&[3]), zeros(&[3]));
    let [mean, var] = [0, 1].map(|_| Var::from_tensor(&zeros(&[3])).unwrap());
    let norm = |x: &Tensor| batch_norm_train(x, &weight, &bias, (&mean, &var), BatchNormConfig::default());
    let error = refusal(norm(&zeros(&[1, 3, 1, 1])));
    assert!(error.starts_with("batch_norm: expected more than one value per channel in training"), "{error}");
    assert!(refusal(norm(&zeros(&[2, 4]))).contains("expected weight (4), got (3)"));
    assert!(refusal(norm(&zeros(&[2]))).contains("a batch (B, C, …), got (2)"));
    assert_eq!(norm(&zeros(&[2, 3])).unwrap().dims(), [2, 3]);
}

#[test]
fn an_empty_batch_gives_an_empty_batch() {
    let empty = zeros(&[1, 3, 8, 8]).narrow(0, 0, 0).unwrap();
    let y = conv2d(&empty, &zeros(&[4, 3, 3, 3]), Some(&zeros(&[4])), Sliding::default(), 1).unwrap();
    assert_eq!(y.dims(), [0, 4, 6, 6]);
    assert_eq!(max_pool2d(&y, [2, 2], Sliding::default(), Rounding::Floor).unwrap().dims(), [0, 4, 5, 5]);
    assert_eq!(global_avg_pool(&y).unwrap().dims(), [0, 4]);
    assert_eq!(relu(&y).unwrap().dims(), [0, 4, 6, 6]);
}

#[test]
fn what_is_not_a_number_is_not_hidden() {
    let x = Tensor::new(&[[[[1.0_f32, f32::NAN], [-2.0, 0.0]]]], &Device::Cpu).unwrap();
    let values = |t: crate::Result<Tensor>| t.unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let y = values(relu(&x));
    assert!(y[1].is_nan() && y[0] == 1.0 && y[2] == 0.0 && y[3] == 0.0, "{y:?}");
    assert!(values(max_pool2d(&x, [2, 2], Sliding::default(), Rounding::Floor))[0].is_nan());
    assert!(values(softmax(&x, D::Minus1))[0].is_nan());
    let loss = softmax_cross_entropy(&x.flatten_from(1).unwrap(), &labels(&[0]), 0.0).unwrap();
    assert!(loss.to_scalar::<f32>().unwrap().is_nan());
}

#[test]
fn huge_logits_do_not_overflow() {
    let logits =
        Tensor::new(&[[1e30_f32, 0.0, -1e30], [-1e4, -1e4, f32::NEG_INFINITY]], &Device::Cpu).unwrap();
    let rows = softmax(&logits, 1).unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(rows, [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]);
    let loss = softmax_cross_entropy(&logits, &labels(&[0, 1]), 0.0).unwrap().to_scalar::<f32>().unwrap();
    assert!((loss - 0.5 * 2.0_f32.ln()).abs() < 1e-6, "{loss}");
}

#[test]
fn the_gradient_of_equal_pixels_goes_to_the_first() {
    let x = Var::from_tensor(&zeros(&[1, 1, 2, 2])).unwrap();
    let y = max_pool2d(&x, [2, 2], Sliding::default(), Rounding::Floor).unwrap();
    let gradients = y.backward().unwrap();
    let dx = gradients.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(dx, [1.0, 0.0, 0.0, 0.0]);
    let gradients = relu(&x).unwrap().backward().unwrap();
    assert_eq!(gradients.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap(), [0.0; 4]);
}

#[test]
fn dropout_follows_its_seed_only() {
    let x = Tensor::ones((50, 1000), DType::F32, &Device::Cpu).unwrap();
    let run =
        |seed: u64| dropout(&x, 0.5, Seed(seed)).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    // Not one thread's numbers again in the next block.
    let y = run(1);
    assert_ne!(y[..10_000], y[elementwise::BLOCK..elementwise::BLOCK + 10_000]);
    assert!(refusal(dropout(&x, -0.1, Seed(0))).contains("a probability p in [0, 1), got -0.1"));
}

#[path = "../../tests/rerun/mod.rs"]
mod rerun;

/// What has paths of its own for vectors of different widths: functions of one number, tiles, and
/// convolutions of images whose channels lie beside each other.
#[test]
fn narrower_vectors() {
    rerun::with_narrower_vectors(&["ops::math", "ops::winograd", "ops::channels_last", "ops::single_tests"]);
}

#[test]
fn composed_operators() {
    rerun::with_composed_operators(&["ops::tests"]);
}

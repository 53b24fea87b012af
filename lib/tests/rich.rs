//! How tensors show themselves.
#![allow(clippy::unwrap_used)]

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use candle_core::{DType, Device, IndexOp, Tensor, Var};
use sconce::Seed;
use sconce::rich::{Rich, Statistics};
use sconce_display::{Bundle, Content};

fn text(value: &dyn Rich) -> String {
    value.rich().plain().unwrap().to_owned()
}

fn html(bundle: &Bundle) -> &str {
    let found = bundle.forms.iter().find_map(|(mime, content)| match content {
        Content::Text(html) if mime == "text/html" => Some(html.as_str()),
        _ => None,
    });
    found.unwrap()
}

fn png(bundle: &Bundle) -> Option<image::RgbImage> {
    bundle.forms.iter().find_map(|(mime, content)| match content {
        Content::Bytes(bytes) if mime == "image/png" => {
            Some(image::load_from_memory(bytes).unwrap().to_rgb8())
        }
        _ => None,
    })
}

fn size(bundle: &Bundle) -> usize {
    let bytes = |content: &Content| match content {
        Content::Text(text) | Content::Json(text) => text.len(),
        Content::Bytes(bytes) => bytes.len(),
    };
    bundle.forms.iter().map(|(_, content)| bytes(content)).sum()
}

fn noise(shape: &[usize]) -> Tensor {
    let mut rng = Seed(7).rng();
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.uniform_f32()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn ramp(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    Tensor::arange(0_f32, count as f32, &Device::Cpu).unwrap().reshape(shape).unwrap()
}

#[test]
fn small_tensors_in_text() {
    let device = Device::Cpu;
    insta::assert_snapshot!("scalar", text(&Tensor::new(3.25_f32, &device).unwrap()));
    insta::assert_snapshot!("vector", text(&ramp(&[5])));
    insta::assert_snapshot!("long_vector", text(&ramp(&[1000])));
    insta::assert_snapshot!("matrix", text(&(ramp(&[3, 4]) / 7.0).unwrap()));
    insta::assert_snapshot!("large_matrix", text(&ramp(&[100, 50])));
    insta::assert_snapshot!("labels", text(&Tensor::new(&[3_u32, 1, 4], &device).unwrap()));
    insta::assert_snapshot!("batch", text(&noise(&[16, 1, 8, 8])));
    insta::assert_snapshot!(
        "odd",
        text(&Tensor::new(&[[f32::NAN, 1.0], [f32::INFINITY, -2.0]], &device).unwrap())
    );
    insta::assert_snapshot!("integers", text(&Tensor::new(&[i64::MAX, i64::MIN], &device).unwrap()));
    insta::assert_snapshot!("var", text(&Var::zeros((2, 2), DType::F64, &device).unwrap()));
    insta::assert_snapshot!("empty", text(&Tensor::zeros((0, 3), DType::F32, &device).unwrap()));
}

#[test]
fn a_matrix_is_a_heat_map_and_an_image_is_an_image() {
    let heat = png(&ramp(&[2, 2]).rich()).unwrap();
    assert_eq!((heat.dimensions(), heat.get_pixel(0, 0).0), ((64, 64), [68, 1, 84]));
    let grey = png(&(ramp(&[1, 2, 2]) / 3.0).unwrap().rich()).unwrap();
    assert_eq!((grey.get_pixel(0, 0).0, grey.get_pixel(63, 63).0), ([0; 3], [255; 3]));
    // Channels are planes: red in the first.
    let rgb = Tensor::cat(
        &[
            &Tensor::ones((1, 1, 1), DType::F32, &Device::Cpu).unwrap(),
            &Tensor::zeros((2, 1, 1), DType::F32, &Device::Cpu).unwrap(),
        ],
        0,
    )
    .unwrap();
    assert_eq!(png(&rgb.rich()).unwrap().get_pixel(0, 0).0, [255, 0, 0]);
    let bytes = (Tensor::ones((1, 1, 2), DType::U8, &Device::Cpu).unwrap() * 128.0).unwrap();
    assert_eq!(png(&bytes.rich()).unwrap().get_pixel(0, 0).0, [128; 3]);
    // 8 x 8 images at factor 9, in 9 columns or fewer, 4 pixels apart.
    let batch = png(&noise(&[16, 1, 8, 8]).rich()).unwrap();
    assert_eq!(batch.dimensions(), (8 * 72 + 7 * 4, 2 * 72 + 4));
    assert!(png(&ramp(&[5]).rich()).is_none() && png(&noise(&[2, 5, 3, 3]).rich()).is_none());
    assert!(png(&noise(&[5, 4, 4]).rich()).is_some());
}

#[test]
fn html_holds_the_picture_and_says_what_it_shows() {
    let bundle = noise(&[3, 8, 8]).rich();
    let html = html(&bundle);
    assert!(
        html.contains("<img src=\"data:image/png;base64,")
            && html.contains("alt=\"image, black 0 to white 1 of Tensor (3, 8, 8)")
    );
    // The picture is as large as it is shown: nothing is left to the viewer, which would blur it.
    let encoded = html.split(";base64,").nth(1).and_then(|rest| rest.split('"').next());
    let embedded = image::load_from_memory(&BASE64_STANDARD.decode(encoded.unwrap()).unwrap()).unwrap();
    assert_eq!(embedded.to_rgb8(), png(&bundle).unwrap());
    assert!(html.contains("width=\"192\" height=\"192\"") && embedded.width() == 192);
    assert!(html.contains(" · mean 0.") && html.contains(" · NaN 0 · inf 0<br>"), "{html}");
    for forbidden in ["<script", "onclick", "onload", "http:", "https:"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn statistics_are_right() {
    let values = [1.0, 2.0, f32::NAN, 3.0, f32::INFINITY, 6.0, f32::NEG_INFINITY];
    let found = Statistics::of(&Tensor::new(&values, &Device::Cpu).unwrap()).unwrap();
    assert_eq!((found.count, found.finite(), found.nan, found.infinite), (7, 4, 1, 2));
    assert_eq!((found.min, found.mean, found.max), (1.0, 3.0, 6.0));
    assert!((found.std - 3.5_f64.sqrt()).abs() < 1e-12);

    // Far from zero, where a sum of squares would lose everything.
    let mut rng = Seed(1).rng();
    let far: Vec<f64> = (0..300_000).map(|_| 1e9 + rng.normal()).collect();
    let found = Statistics::of(&Tensor::new(far.as_slice(), &Device::Cpu).unwrap()).unwrap();
    assert!((found.std - 1.0).abs() < 0.01 && (found.mean - 1e9).abs() < 0.01, "{found:?}");
}

#[test]
fn statistics_do_not_depend_on_how_the_values_lie() {
    let plain = noise(&[30, 40, 50]);
    let expected = Statistics::of(&plain).unwrap();
    let close = |tensor: &Tensor| {
        let found = Statistics::of(tensor).unwrap();
        assert!(
            (found.mean - expected.mean).abs() < 1e-9 && (found.std - expected.std).abs() < 1e-9,
            "{found:?}"
        );
        assert_eq!((found.min, found.max), (expected.min, expected.max));
        found.count
    };
    assert_eq!(close(&plain.permute((2, 0, 1)).unwrap()), 60_000);
    assert_eq!(close(&Tensor::cat(&[&plain, &plain], 0).unwrap().narrow(0, 30, 30).unwrap()), 60_000);
    assert_eq!(close(&plain.unsqueeze(1).unwrap().broadcast_as((30, 7, 40, 50)).unwrap()), 420_000);
    // Every second value of a tensor, seen through strides.
    let pairs = Tensor::stack(&[&plain, &(&plain * 9.0).unwrap()], 3).unwrap();
    assert_eq!(close(&pairs.i((.., .., .., 0)).unwrap()), 60_000);
}

#[test]
fn strided_tensors_show_the_values_of_their_copies() {
    let base = noise(&[6, 3, 10, 12]);
    let views = [
        base.permute((3, 2, 1, 0)).unwrap(),
        base.i((1, .., .., 3..9)).unwrap(),
        base.i((.., 1, 2, ..)).unwrap().t().unwrap(),
        base.i((2, 0, 4, ..)).unwrap(),
        base.i((.., 0, 3, 5)).unwrap(),
    ];
    for view in views {
        assert_eq!(view.rich(), view.contiguous().unwrap().rich(), "{:?}", view.dims());
    }
    let column = ramp(&[1, 4]).broadcast_as((3, 4)).unwrap();
    assert_eq!(column.rich(), column.contiguous().unwrap().rich());
}

#[test]
fn every_dtype_and_shape_is_shown() {
    let shapes: [&[usize]; 16] = [
        &[],
        &[0],
        &[1],
        &[9],
        &[0, 0],
        &[1, 1],
        &[1, 700],
        &[700, 1],
        &[5, 6],
        &[0, 4, 4],
        &[1, 7, 5],
        &[3, 4, 1],
        &[4, 3, 2],
        &[2, 1, 3, 3],
        &[2, 3, 0, 3],
        &[2, 1, 2, 1, 2],
    ];
    let dtypes = [
        DType::U8,
        DType::U32,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::BF16,
        DType::F16,
        DType::F32,
        DType::F64,
        DType::F8E4M3,
    ];
    for shape in shapes {
        for dtype in dtypes {
            let tensor = ramp(shape).to_dtype(dtype).unwrap();
            let shown = text(&tensor);
            assert!(shown.starts_with("Tensor (") && shown.contains(dtype.as_str()), "{shown}");
            assert!(!shown.contains("could not be"), "{shown}");
            assert!(shown.is_ascii() || !shown.contains('\u{fffd}'));
            assert!(html(&tensor.rich()).contains("Tensor ("));
        }
    }
}

#[test]
fn constant_and_extreme_values_are_shown() {
    let extremes =
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -0.0];
    for shape in [&[8][..], &[2, 4], &[1, 2, 4], &[1, 1, 2, 4], &[3, 8, 8], &[2, 3, 4, 4]] {
        for value in extremes {
            let bundle = Tensor::full(value, shape, &Device::Cpu).unwrap().rich();
            assert!(bundle.plain().unwrap().contains("Tensor"), "{value} {shape:?}");
        }
    }
    let mixed = Tensor::new(&extremes, &Device::Cpu).unwrap();
    for shape in [&[8][..], &[2, 4], &[1, 2, 4], &[2, 1, 2, 2]] {
        assert!(text(&mixed.reshape(shape).unwrap()).contains("NaN 1  inf 2"));
    }
    // A picture of what is not finite is red.
    let nothing = Tensor::full(f32::NAN, (4, 4), &Device::Cpu).unwrap().rich();
    assert_eq!(png(&nothing).unwrap().get_pixel(0, 0).0, [214, 39, 40]);
    assert!(nothing.plain().unwrap().contains("no finite values  NaN 16  inf 0"));
    let one_bad =
        Tensor::cat(&[&ramp(&[499, 500]), &Tensor::full(f32::NAN, (1, 500), &Device::Cpu).unwrap()], 0)
            .unwrap();
    let picture = png(&one_bad.rich()).unwrap();
    assert_eq!(picture.get_pixel(0, picture.height() - 1).0, [214, 39, 40]);
}

#[test]
fn output_is_bounded_for_huge_tensors() {
    let huge = noise(&[1000, 10_000]).repeat((10, 1)).unwrap();
    let shown = |tensor: &Tensor, what: &str| {
        let bundle = tensor.rich();
        assert!(size(&bundle) < 200_000, "{what}: {} bytes", size(&bundle));
    };
    shown(&huge, "10,000 x 10,000");
    shown(&huge.t().unwrap(), "its transpose");
    shown(&huge.reshape((1, 10_000, 10_000)).unwrap(), "as an image");
    shown(&huge.flatten_all().unwrap(), "in a row");
    shown(&huge.reshape((1000, 1, 1000, 100)).unwrap(), "in a batch");
    shown(&huge.narrow(0, 0, 9999).unwrap().reshape((3, 3333, 10_000)).unwrap(), "in colours");
    shown(
        &Tensor::zeros((1, 1), DType::F32, &Device::Cpu).unwrap().broadcast_as((1 << 20, 1 << 20)).unwrap(),
        "2^40 times the same",
    );
    shown(&noise(&[100, 3, 64, 64]), "a batch of noise");
}

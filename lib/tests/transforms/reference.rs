//! The 28 reference cases of PIL-backed torchvision.

use std::path::PathBuf;

use safetensors::SafeTensors;
use sconce::data::{BBox, Image, Pixels, Sample, Target, Transform};
use sconce::transforms::*;

use crate::scene::{object, sample_of};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/transforms");

fn file(name: &str) -> PathBuf {
    PathBuf::from(FIXTURES).join(name)
}

fn input() -> Sample {
    let image = image::open(file("input.png")).unwrap().into_rgb8();
    let [height, width] = [image.height() as usize, image.width() as usize];
    sample_of(Image::new([height, width, 3], Pixels::U8(image.into_raw())).unwrap())
}

fn transformed(transform: &dyn Transform, sample: Sample) -> Sample {
    transform.apply(sample, &mut sconce::Seed(0).rng()).unwrap()
}

/// How near ours must come.
#[derive(Clone, Copy, Debug)]
enum Within {
    Exact,
    /// 1 of 255.
    One,
    /// The same on 99.5 % of the pixels.
    Nearly,
}

fn cases() -> Vec<(&'static str, Box<dyn Transform>, Within)> {
    use Within::{Exact, Nearly, One};
    let always = RandomHorizontalFlip::new(1.0);
    let crop = Crop { top: 5, left: 7, size: [20, 30].into(), ..Crop::default() };
    let affine = Affine::new().degrees(15.0).translate_x(3.0 / 61.0).translate_y(-2.0 / 47.0).scale(1.1);
    vec![
        ("resize_32x32", Box::new(Resize::new([32, 32])), One),
        ("resize_short_24", Box::new(Resize::new(24)), One),
        ("resize_96x80", Box::new(Resize::new([96, 80])), One),
        ("resize_bicubic_20x30", Box::new(Resize::new([20, 30]).filter(Filter::Bicubic)), One),
        ("center_crop_32", Box::new(CenterCrop::new(32)), Exact),
        ("center_crop_64_pads", Box::new(CenterCrop::new(64)), Exact),
        ("crop", Box::new(crop), Exact),
        ("hflip", Box::new(always), Exact),
        ("vflip", Box::new(RandomVerticalFlip::new(1.0)), Exact),
        ("pad_4_reflect", Box::new(Pad::new(4).mode(PadMode::Reflect)), Exact),
        ("pad_4_zero", Box::new(Pad::new(4)), Exact),
        ("rotate_30_nearest", Box::new(Rotate::new(30.0)), Nearly),
        ("affine", Box::new(affine.shear_x(5.0)), Nearly),
        ("brightness_1.4", Box::new(Brightness::new(1.4)), Exact),
        ("contrast_0.6", Box::new(Contrast::new(0.6)), Exact),
        ("saturation_1.7", Box::new(Saturation::new(1.7)), Exact),
        ("hue_0.1", Box::new(Hue::new(0.1)), Exact),
        ("grayscale", Box::new(Grayscale { channels: 3 }), Exact),
        ("posterize_3", Box::new(Posterize::new(3)), Exact),
        ("solarize_128", Box::new(Solarize::new(0.5)), Exact),
        ("equalize", Box::new(Equalize), Exact),
        ("autocontrast", Box::new(AutoContrast), Exact),
        ("invert", Box::new(Invert), Exact),
        ("sharpness_2", Box::new(Sharpness::new(2.0)), One),
    ]
}

#[test]
fn images_are_those_of_torchvision() {
    let bytes = std::fs::read(file("transforms.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut wrong = Vec::new();
    for (name, transform, within) in cases() {
        let wanted = tensors.tensor(name).unwrap();
        let got = transformed(transform.as_ref(), input()).image;
        let [height, width, channels] = got.shape();
        assert_eq!(wanted.shape(), [channels, height, width], "{name}");
        let Pixels::U8(pixels) = got.pixels() else { panic!("{name}: bytes became numbers") };
        let planes = |at: usize| {
            let (pixel, channel) = (at / channels, at % channels);
            wanted.data()[channel * height * width + pixel]
        };
        let differences: Vec<u8> =
            pixels.iter().enumerate().map(|(at, &byte)| byte.abs_diff(planes(at))).collect();
        let most = differences.iter().copied().max().unwrap();
        let pixels_that_differ =
            differences.chunks(channels).filter(|pixel| pixel.iter().any(|&d| d > 0)).count();
        let share = pixels_that_differ as f64 / (height * width) as f64;
        let right = match within {
            Within::Exact => most == 0,
            Within::One => most <= 1,
            Within::Nearly => share <= 0.005,
        };
        if !right {
            wrong.push(format!(
                "{name}: {most} at most, {pixels_that_differ} pixels ({share:.4}), wanted {within:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_normalized_image_is_torchvisions() {
    let bytes = std::fs::read(file("transforms.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let wanted = tensors.tensor("to_tensor_normalized").unwrap();
    let wanted: Vec<f32> =
        wanted.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    let got = transformed(&Normalize::imagenet(), input()).image;
    let [height, width, channels] = got.shape();
    let Pixels::F32(values) = got.pixels() else { panic!("not f32") };
    for (at, value) in values.iter().enumerate() {
        let wanted = wanted[at % channels * height * width + at / channels];
        assert!((value - wanted).abs() < 1e-6, "{value} for {wanted} at {at}");
    }
    let back = transformed(&Normalize::imagenet().inverse(), sample_of(got)).image;
    let (Pixels::F32(back), Pixels::U8(bytes)) = (back.pixels(), input().image.into_pixels()) else {
        panic!()
    };
    assert!(back.iter().zip(bytes).all(|(back, byte)| (back - f32::from(byte) / 255.0).abs() < 1e-6));
}

#[test]
fn boxes_are_those_of_torchvision() {
    let text = std::fs::read_to_string(file("transforms.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let boxes = |value: &serde_json::Value| -> Vec<[f32; 4]> {
        let sides =
            |value: &serde_json::Value| [0, 1, 2, 3].map(|side: usize| value[side].as_f64().unwrap() as f32);
        value.as_array().unwrap().iter().map(sides).collect()
    };
    let crop = Crop { top: 5, left: 7, size: [20, 30].into(), ..Crop::default() };
    let cases: [(&str, &dyn Transform); 3] = [
        ("boxes_hflip", &RandomHorizontalFlip::new(1.0)),
        ("boxes_resize_32x32", &Resize::new([32, 32])),
        ("boxes_crop", &crop),
    ];
    for (name, transform) in cases {
        let objects = boxes(&json["input_boxes_xyxy"]);
        let objects = objects.iter().map(|&[x0, y0, x1, y1]| object(BBox { x0, y0, x1, y1 })).collect();
        let sample = Sample { target: Target { objects, ..Target::default() }, ..input() };
        let case = json["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap();
        let moved = transformed(transform, sample).target.objects;
        // torchvision cuts boxes of whole numbers to whole numbers.
        let got: Vec<[f32; 4]> = moved
            .iter()
            .map(|object| {
                let BBox { x0, y0, x1, y1 } = object.bbox;
                [x0, y0, x1, y1].map(f32::floor)
            })
            .collect();
        assert_eq!(got, boxes(&case["boxes"]), "{name}");
    }
}

#[test]
fn every_case_is_tested() {
    let text = std::fs::read_to_string(file("transforms.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names: Vec<&str> =
        json["cases"].as_array().unwrap().iter().map(|case| case["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 28);
    let ours: Vec<&str> = cases().iter().map(|case| case.0).collect();
    let others = names.iter().filter(|name| !ours.contains(name)).copied().collect::<Vec<_>>();
    assert_eq!(others, ["to_tensor_normalized", "boxes_hflip", "boxes_resize_32x32", "boxes_crop"]);
}

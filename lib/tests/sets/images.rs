//! Decoded images against Pillow's, and the way back into files and tensors.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use sconce::data::{Background, DecodeConfig, ExifOrientation, Image, Pixels};
use serde_json::Value;

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/images")
}

fn bytes(image: &Image) -> Vec<u8> {
    match image.pixels() {
        Pixels::U8(values) => values.clone(),
        Pixels::F32(_) => panic!("fractions instead of bytes"),
    }
}

/// A small image of `channels` with every value different from its neighbours.
fn ramp(channels: usize) -> Image {
    Image::new([3, 5, channels], Pixels::U8((0..15 * channels).map(|at| (at * 37 % 251) as u8).collect()))
        .unwrap()
}

#[test]
fn every_format_gives_what_pillow_gives() {
    let cases: Vec<Value> =
        serde_json::from_str(&fs::read_to_string(fixtures().join("images.json")).unwrap()).unwrap();
    let file = fs::read(fixtures().join("images.safetensors")).unwrap();
    let values = SafeTensors::deserialize(&file).unwrap();
    assert!(cases.len() > 30);
    for case in cases {
        let name = case["file"].as_str().unwrap();
        let path = fixtures().join(name);
        let image = Image::open(&path).unwrap_or_else(|error| panic!("{error}"));
        let shape: Vec<usize> = serde_json::from_value(case["shape"].clone()).unwrap();
        assert_eq!(image.shape().as_slice(), shape, "{name}");
        assert_eq!(Image::size_of(&path).unwrap().as_slice(), &shape[..2], "{name}");
        let want = values.tensor(name).unwrap();
        let tolerance = case["tolerance"].as_f64().unwrap();
        match image.pixels() {
            Pixels::U8(got) => {
                assert_eq!(case["dtype"], "uint8", "{name}");
                let worst = got.iter().zip(want.data()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
                assert!(f64::from(worst) <= tolerance, "{name} differs by {worst}");
            }
            Pixels::F32(got) => {
                assert_eq!(case["dtype"], "uint16", "{name}");
                for (got, want) in got.iter().zip(want.data().chunks_exact(2)) {
                    let want = f32::from(u16::from_le_bytes([want[0], want[1]])) / 65535.0;
                    assert_eq!(*got, want, "{name}");
                }
            }
        }
    }
}

#[test]
fn the_turn_can_be_left_out() {
    let config = DecodeConfig { orientation: ExifOrientation::Ignore, ..DecodeConfig::default() };
    let path = fixtures().join("turned6.png");
    assert_eq!(Image::open(&path).unwrap().shape(), [17, 13, 3]);
    let stored = Image::open_with(&path, config).unwrap();
    assert_eq!(stored, Image::open(fixtures().join("rgb.png")).unwrap());
}

/// The files hold a profile that has red and green the other way round.
#[test]
fn colour_profiles_change_nothing() {
    let file = fs::read(fixtures().join("profile.png")).unwrap();
    assert!(file.windows(4).any(|name| name == b"iCCP"));
    assert_eq!(
        Image::open(fixtures().join("profile.png")).unwrap(),
        Image::open(fixtures().join("rgb.png")).unwrap()
    );
    let file = fs::read(fixtures().join("profile.jpg")).unwrap();
    assert!(file.windows(11).any(|name| name == b"ICC_PROFILE"));
    assert_eq!(
        Image::open(fixtures().join("profile.jpg")).unwrap(),
        Image::open(fixtures().join("turned1.jpg")).unwrap()
    );
}

#[test]
fn what_is_saved_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for (name, channels) in [
        ("a.png", 1),
        ("a.png", 2),
        ("a.png", 3),
        ("a.png", 4),
        ("a.bmp", 3),
        ("a.tiff", 1),
        ("a.tiff", 3),
        ("a.tiff", 4),
        ("a.webp", 3),
        ("a.webp", 4),
        ("A.PNG", 3),
    ] {
        let path = folder.path().join(name);
        ramp(channels).save(&path).unwrap();
        assert_eq!(Image::open(&path).unwrap(), ramp(channels), "{name}, {channels} channels");
    }
    let smooth = Image::open(fixtures().join("rgb.png")).unwrap();
    for (name, tolerance) in [("a.jpg", 6), ("a.gif", 12)] {
        let path = folder.path().join(name);
        smooth.save(&path).unwrap();
        let back = Image::open(&path).unwrap();
        assert_eq!(back.shape(), smooth.shape());
        let worst = bytes(&back).iter().zip(bytes(&smooth)).map(|(a, b)| a.abs_diff(b)).max().unwrap();
        assert!(worst <= tolerance, "{name} differs by {worst}");
    }
    let fine = Image::new([1, 3, 1], Pixels::F32(vec![0.0, 12345.0 / 65535.0, 1.0])).unwrap();
    for name in ["fine.png", "fine.tif"] {
        fine.save(folder.path().join(name)).unwrap();
        assert_eq!(Image::open(folder.path().join(name)).unwrap(), fine);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 9, "something else was left in the folder");
}

#[test]
fn colours_become_grey_and_grey_becomes_colours() {
    let rgb = Image::new([1, 2, 3], Pixels::U8(vec![255, 0, 0, 10, 200, 30])).unwrap();
    // 0.299 of 255 is 76.2; 2.99 + 117.4 + 3.42 is 123.8.
    assert_eq!(bytes(&rgb.to_grey().unwrap()), [76, 124]);
    assert_eq!(bytes(&rgb.to_grey().unwrap().to_rgb().unwrap()), [76, 76, 76, 124, 124, 124]);
    assert_eq!(rgb.to_rgb().unwrap(), rgb);
    let fractions = Image::new([1, 1, 3], Pixels::F32(vec![1.0, 0.5, 0.0])).unwrap();
    let grey = fractions.to_grey().unwrap();
    assert!(matches!(grey.pixels(), Pixels::F32(values) if (values[0] - 0.5925).abs() < 1e-6));
    let error = ramp(5).to_rgb().unwrap_err().to_string();
    assert!(error.contains("5 channels"), "{error}");
}

#[test]
fn alpha_goes_over_the_background_that_was_asked_for() {
    let clear = || Image::new([1, 2, 4], Pixels::U8(vec![10, 20, 30, 0, 100, 0, 200, 51])).unwrap();
    let over = |background| bytes(&clear().without_alpha(background));
    assert_eq!(over(Background::White), [255, 255, 255, 224, 204, 244]);
    assert_eq!(over(Background::Black), [0, 0, 0, 20, 0, 40]);
    assert_eq!(over(Background::None), [10, 20, 30, 100, 0, 200]);
    assert_eq!(over(Background::Color([1.0, 0.0, 0.0])), [255, 0, 0, 224, 0, 40]);
    assert_eq!(clear().to_rgb().unwrap(), clear().without_alpha(Background::White));
    let grey = Image::new([1, 1, 2], Pixels::F32(vec![0.25, 0.5])).unwrap();
    assert_eq!(*grey.to_grey().unwrap().pixels(), Pixels::F32(vec![0.625]));
}

#[test]
fn tensors_are_channels_first_and_fractions() {
    let image = Image::new([1, 2, 3], Pixels::U8(vec![255, 0, 51, 0, 255, 102])).unwrap();
    let tensor = image.to_tensor().unwrap();
    assert_eq!((tensor.dims(), tensor.dtype()), (&[3, 1, 2][..], DType::F32));
    let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
    assert_eq!(values, [1.0, 0.0, 0.0, 1.0, 0.2, 0.4]);
    let back = Image::from_tensor(&tensor).unwrap();
    assert_eq!(*back.pixels(), Pixels::F32(vec![1.0, 0.0, 0.2, 0.0, 1.0, 0.4]));
    let bytes = Tensor::new(&[[[1_u8, 2]], [[3, 4]]], &Device::Cpu).unwrap(); // (2, 1, 2)
    assert_eq!(*Image::from_tensor(&bytes).unwrap().pixels(), Pixels::U8(vec![1, 3, 2, 4]));
    for (wrong, complaint) in [
        (tensor.unsqueeze(0).unwrap(), "(C, H, W)"),
        (tensor.to_dtype(DType::F64).unwrap(), "f64"),
        (Tensor::zeros((3, 0, 2), DType::F32, &Device::Cpu).unwrap(), "none of them 0"),
    ] {
        let error = Image::from_tensor(&wrong).unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    }
}

//! What holds for any image: bytes and fractions agree, small and odd images pass, the seed decides.

use sconce::data::{Image, Pixels, Transform};
use sconce::transforms::*;

use crate::scene::{apply, as_fractions, bytes, noise, sample_of, smooth};

/// Transforms that are asked of every kind of image, with how far bytes and fractions may be apart.
fn all() -> Vec<(&'static str, Box<dyn Transform>, u8)> {
    vec![
        ("resize", Box::new(Resize::new([9, 14])), 1),
        ("bicubic", Box::new(Resize::new([40, 50]).filter(Filter::Bicubic)), 2),
        ("lanczos", Box::new(Resize::new([11, 13]).filter(Filter::Lanczos)), 2),
        ("nearest", Box::new(Resize::new([11, 13]).filter(Filter::Nearest)), 0),
        ("crop", Box::new(CenterCrop::new(16)), 0),
        ("random crop", Box::new(RandomCrop::new(12).pad_if_needed().mode(PadMode::Edge)), 0),
        ("random resized crop", Box::new(RandomResizedCrop::new([20, 30])), 1),
        ("pad", Box::new(Pad::new(3).fill(0.5)), 1),
        ("flip", Box::new(RandomHorizontalFlip::default()), 0),
        ("rotate", Box::new(Rotate::new(33.0).filter(Filter::Bilinear)), 1),
        ("affine", Box::new(Affine::new().degrees(10.0).scale(1.2).filter(Filter::Bicubic)), 2),
        ("perspective", Box::new(RandomPerspective::default().p(1.0)), 1),
        ("elastic", Box::new(ElasticTransform::new()), 1),
        ("brightness", Box::new(Brightness::new(0.5..=1.5)), 1),
        ("contrast", Box::new(Contrast::new(1.3)), 2),
        ("saturation", Box::new(Saturation::new(0.4)), 2),
        // PIL's hue has 255 steps; fractions have them all.
        ("hue", Box::new(Hue::new(0.2)), 8),
        ("sharpness", Box::new(Sharpness::new(1.8)), 2),
        ("gamma", Box::new(Gamma::new(0.7)), 2),
        ("grey", Box::new(Grayscale { channels: 3 }), 1),
        ("rgb", Box::new(Rgb), 0),
        ("posterize", Box::new(Posterize::new(4)), 0),
        ("solarize", Box::new(Solarize::new(0.4)), 1),
        ("equalize", Box::new(Equalize), 0),
        ("autocontrast", Box::new(AutoContrast), 1),
        ("invert", Box::new(Invert), 0),
        ("blur", Box::new(GaussianBlur::new(7).sigma(1.5)), 1),
        ("erase", Box::new(RandomErasing::new(1.0)), 0),
        ("cutout", Box::new(Cutout::new(5).holes(3).value(1.0)), 0),
        ("noise", Box::new(GaussianNoise::default()), 1),
    ]
}

#[test]
fn bytes_and_fractions_agree() {
    for channels in [1, 3, 4] {
        let image = smooth([31, 43, channels]);
        for (name, transform, within) in all() {
            let from_bytes = apply(transform.as_ref(), sample_of(image.clone()), 5).image;
            let from_fractions = apply(transform.as_ref(), sample_of(as_fractions(&image)), 5).image;
            assert!(matches!(from_bytes.pixels(), Pixels::U8(_)), "{name}: bytes became numbers");
            assert!(matches!(from_fractions.pixels(), Pixels::F32(_)), "{name}: numbers became bytes");
            assert_eq!(from_bytes.shape(), from_fractions.shape(), "{name}");
            let apart = bytes(&from_bytes).into_iter().zip(bytes(&from_fractions));
            let most = apart.map(|(a, b)| a.abs_diff(b)).max().unwrap();
            assert!(most <= within, "{name} of {channels} channels: {most} apart");
        }
    }
}

#[test]
fn the_seed_decides() {
    let image = noise([40, 30, 3], 2);
    for (name, transform, _) in all() {
        let run = |seed| apply(transform.as_ref(), sample_of(image.clone()), seed).image;
        assert_eq!(run(3), run(3), "{name}");
    }
    let differ: [&dyn Transform; 6] = [
        &RandomResizedCrop::new(8),
        &ColorJitter { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 },
        &RandomErasing::new(1.0),
        &GaussianNoise::default(),
        &Rotate::new(-90.0..=90.0),
        &ElasticTransform::new(),
    ];
    for transform in differ {
        let run = |seed| apply(transform, sample_of(image.clone()), seed).image;
        assert_ne!(run(3), run(4), "{transform:?}");
    }
}

#[test]
fn small_and_long_images_pass() {
    for shape in [[1, 1, 1], [1, 1, 3], [1, 300, 3], [300, 1, 1], [2, 2, 4], [1, 7, 2]] {
        for (name, transform, _) in all() {
            let image = apply(transform.as_ref(), sample_of(noise(shape, 9)), 1).image;
            assert!(image.height() * image.width() > 0, "{name} of {shape:?}");
        }
    }
}

#[test]
fn any_number_of_channels_is_resized() {
    let image = smooth([20, 30, 7]);
    let whole = apply(&Resize::new([13, 17]), sample_of(image.clone()), 0).image;
    for channel in 0..7 {
        let plane = |image: &Image| bytes(image).into_iter().skip(channel).step_by(7).collect::<Vec<_>>();
        let alone = Image::new([20, 30, 1], Pixels::U8(plane(&image))).unwrap();
        let alone = apply(&Resize::new([13, 17]), sample_of(alone), 0).image;
        assert_eq!(plane(&whole), bytes(&alone), "channel {channel}");
    }
}

#[test]
fn alpha_keeps_its_values() {
    for channels in [2, 4] {
        let image = noise([12, 9, channels], 4);
        let alpha =
            |image: &Image| bytes(image).into_iter().skip(channels - 1).step_by(channels).collect::<Vec<_>>();
        let colour =
            ["brightness", "contrast", "saturation", "hue", "sharpness", "gamma", "posterize", "solarize"]
                .into_iter()
                .chain(["equalize", "autocontrast", "invert", "noise"]);
        for wanted in colour {
            let (_, transform, _) = all().into_iter().find(|(name, ..)| *name == wanted).unwrap();
            let after = apply(transform.as_ref(), sample_of(image.clone()), 0).image;
            assert_eq!(alpha(&after), alpha(&image), "{wanted}");
        }
    }
}

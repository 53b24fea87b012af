//! Filters beyond the reference cases, against numbers that PIL 13.0 and torchvision 0.29 gave.

use sconce::data::{Image, Pixels, Transform};
use sconce::transforms::*;

use crate::scene::{apply, bytes, sample_of};

fn grey([height, width]: [usize; 2], values: &[u8]) -> Image {
    Image::new([height, width, 1], Pixels::U8(values.to_vec())).unwrap()
}

/// Holds a transform of a grey image to bytes, within `most` of 255.
fn gives(transform: &dyn Transform, image: Image, wanted: &[u8], most: u8) {
    let got = apply(transform, sample_of(image), 0).image;
    let got = bytes(&got);
    let near = got.len() == wanted.len() && got.iter().zip(wanted).all(|(a, b)| a.abs_diff(*b) <= most);
    assert!(near, "{transform:?} gives\n{got:?}, not\n{wanted:?}");
}

const LINE: [u8; 12] = [3, 250, 17, 90, 200, 255, 0, 0, 128, 64, 33, 211];

/// 5 rows of 6: 37 more from pixel to pixel, modulo 256.
fn steps() -> Image {
    grey([5, 6], &(0..30_u32).map(|at| (at * 37 % 256) as u8).collect::<Vec<_>>())
}

#[test]
fn a_line_is_resized_as_pil_does() {
    let cases: [(Filter, &[u8]); 12] = [
        (Filter::Nearest, &[250, 90, 0, 128, 33]),
        (Filter::Nearest, &[3, 17, 200, 0, 0, 64, 211]),
        (Filter::Nearest, &[3, 3, 250, 17, 17, 90, 200, 200, 255, 0, 0, 0, 0, 128, 64, 64, 33, 211, 211]),
        (Filter::Bilinear, &[112, 124, 119, 66, 102]),
        (Filter::Bilinear, &[109, 84, 175, 123, 41, 74, 131]),
        (
            Filter::Bilinear,
            &[3, 113, 232, 84, 42, 88, 157, 213, 248, 128, 0, 0, 51, 126, 86, 55, 35, 131, 211],
        ),
        (Filter::Bicubic, &[106, 129, 124, 53, 108]),
        (Filter::Bicubic, &[112, 81, 179, 126, 33, 73, 131]),
        (
            Filter::Bicubic,
            &[0, 115, 247, 76, 18, 88, 159, 223, 255, 131, 0, 0, 50, 129, 91, 46, 28, 137, 224],
        ),
        (Filter::Lanczos, &[95, 141, 127, 39, 116]),
        (Filter::Lanczos, &[117, 80, 184, 126, 27, 76, 127]),
        (
            Filter::Lanczos,
            &[0, 123, 250, 89, 0, 86, 156, 234, 255, 134, 0, 0, 61, 129, 104, 31, 23, 140, 230],
        ),
    ];
    for (filter, wanted) in cases {
        gives(&Resize::new([1, wanted.len()]).filter(filter), grey([1, 12], &LINE), wanted, 0);
        // Columns are no different.
        gives(&Resize::new([wanted.len(), 1]).filter(filter), grey([12, 1], &LINE), wanted, 0);
    }
}

#[test]
fn a_blur_is_torchvisions() {
    let wanted = [
        81, 75, 71, 87, 114, 126, 102, 92, 79, 84, 104, 115, 141, 128, 102, 86, 86, 90, 165, 157, 131, 98,
        75, 69, 171, 166, 144, 107, 73, 62,
    ];
    gives(&GaussianBlur::new(5).sigma(1.2), steps(), &wanted, 0);
}

#[test]
fn gamma_is_pils() {
    let wanted = [
        0, 66, 107, 143, 174, 204, 232, 11, 70, 110, 145, 177, 206, 234, 18, 73, 113, 148, 179, 209, 236, 24,
        77, 116, 151, 182, 211, 238, 30, 80,
    ];
    gives(&Gamma::new(0.7), steps(), &wanted, 0);
}

#[test]
fn turned_images_are_filtered_as_pil_does() {
    let bilinear = [
        0, 65, 100, 125, 148, 0, 37, 34, 57, 80, 103, 119, 189, 103, 12, 37, 59, 82, 185, 201, 183, 104, 64,
        37, 0, 156, 179, 204, 181, 0,
    ];
    gives(&Rotate::new(20.0).filter(Filter::Bilinear), steps(), &bilinear, 1);
    let bicubic = [
        0, 68, 98, 124, 157, 0, 29, 0, 66, 81, 110, 126, 209, 90, 0, 26, 52, 86, 176, 247, 222, 113, 40, 16,
        0, 144, 192, 225, 213, 0,
    ];
    gives(&Rotate::new(20.0).filter(Filter::Bicubic), steps(), &bicubic, 1);
    let expanded = [
        0, 0, 0, 0, 0, 185, 0, 0, 0, 0, 74, 111, 148, 151, 0, 0, 0, 0, 3, 40, 77, 80, 117, 0, 0, 222, 3, 6,
        43, 46, 83, 0, 0, 188, 225, 228, 9, 46, 49, 49, 0, 0, 154, 157, 194, 231, 0, 0, 0, 0, 120, 0, 0, 0,
        0, 0,
    ];
    gives(&Rotate::new(20.0).expand(), steps(), &expanded, 0);
}

#[test]
fn jpeg_leaves_about_what_was_there() {
    let image = crate::scene::smooth([40, 56, 3]);
    let apart = |quality: f64| {
        let after = apply(&Jpeg::new(quality), sample_of(image.clone()), 0).image;
        assert_eq!(after.shape(), image.shape());
        let differences = bytes(&after).into_iter().zip(bytes(&image)).map(|(a, b)| u32::from(a.abs_diff(b)));
        f64::from(differences.sum::<u32>()) / (40.0 * 56.0 * 3.0)
    };
    let (fine, coarse) = (apart(95.0), apart(5.0));
    assert!(fine < 2.0 && coarse > fine && coarse < 20.0, "{fine} {coarse}");
    assert!(crate::scene::refusal(&Jpeg::new(0.0), image.clone()).contains("quality"));
    assert!(
        crate::scene::refusal(&Jpeg::default(), crate::scene::noise([4, 4, 4], 1)).contains("4 channels")
    );
}

#[test]
fn arguments_that_are_wrong_are_named() {
    let image = || crate::scene::noise([6, 6, 3], 1);
    let refusal = |transform: &dyn Transform| crate::scene::refusal(transform, image());
    assert!(refusal(&GaussianBlur::new(4)).contains("got 4"));
    assert!(refusal(&GaussianBlur::new(3).sigma(0.0)).contains("sigma"));
    assert!(refusal(&Posterize::new(9)).contains("got 9"));
    assert!(refusal(&Solarize::new(128.0)).contains("128 of 255 is 0.5"));
    assert!(refusal(&Brightness::new(-1.0)).contains("-1"));
    assert!(refusal(&Hue::new(0.6)).contains("0.6"));
    assert!(refusal(&ColorJitter { hue: 0.7, ..ColorJitter::default() }).contains("hue"));
    assert!(refusal(&Grayscale { channels: 2 }).contains("got 2"));
    assert!(refusal(&Normalize::new(&[0.5], &[0.5])).contains("3 channels"));
    assert!(refusal(&Normalize::new(&[0.5; 3], &[0.0; 3])).contains("above 0"));
    assert!(refusal(&Denormalize::new(&[0.5; 3], &[0.5; 3])).contains("bytes"));
    assert!(refusal(&RandomErasing::new(1.0).scale(0.5..=2.0)).contains("0.5 to 2"));
    assert!(refusal(&Cutout::new(0)).contains("0 x 0"));
    assert!(
        crate::scene::refusal(&Contrast::new(1.5), crate::scene::noise([3, 3, 7], 1)).contains("7 channels")
    );
}

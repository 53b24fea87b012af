//! Files that are no good images: an error that says how, never a panic, never memory for nothing.

use std::fs;
use std::path::Path;

use sconce::data::{DecodeConfig, Image};
use sconce::{Error, ImageProblem};

use crate::images::fixtures;
use crate::mutate;

fn decode(bytes: &[u8]) -> Result<Image, Error> {
    Image::decode(bytes, DecodeConfig::default())
}

fn problem(result: Result<Image, Error>) -> ImageProblem {
    match result {
        Err(Error::Image { problem, .. }) => problem,
        Err(other) => panic!("another error: {other}"),
        Ok(image) => panic!("an image of {:?}", image.shape()),
    }
}

fn good(name: &str) -> Vec<u8> {
    fs::read(fixtures().join(name)).unwrap()
}

#[test]
fn each_kind_of_bad_file_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let jpeg = good("subsampled.jpg");
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0".to_vec();
    let cases: [(&str, Vec<u8>, ImageProblem); 8] = [
        ("empty.jpg", Vec::new(), ImageProblem::Empty),
        ("words.jpg", b"<html>404 not found</html>".to_vec(), ImageProblem::NotAnImage),
        ("P1.png", b"P1anos and other words".to_vec(), ImageProblem::NotAnImage),
        ("zeros.png", vec![0; 100], ImageProblem::NotAnImage),
        ("cut.jpg", jpeg[..jpeg.len() - 20].to_vec(), ImageProblem::Truncated),
        ("head.jpg", jpeg[..30].to_vec(), ImageProblem::Truncated),
        ("phone.jpg", heic, ImageProblem::Unsupported),
        ("short.png", good("rgb.png")[..50].to_vec(), ImageProblem::Truncated),
    ];
    for (name, bytes, wanted) in cases {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = Image::open(&path).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(problem(Err(error)), wanted, "{name}");
    }
    let missing = folder.path().join("missing.jpg");
    assert!(matches!(Image::open(&missing), Err(Error::Io { path, .. }) if path == missing));
    assert!(matches!(Image::open(folder.path()), Err(Error::Io { .. })));
    assert!(matches!(Image::size_of(&missing), Err(Error::Io { .. })));
    assert!(decode(b"").unwrap_err().to_string().contains("image in memory"));
}

/// Whatever is missing at the end: never an image with grey where nothing was.
#[test]
fn a_file_cut_anywhere_is_no_image() {
    let names = [
        "turned1.jpg",
        "subsampled.jpg",
        "progressive.jpg",
        "grey.jpg",
        "cmyk.jpg",
        "rgb.png",
        "grey16.png",
        "rgb.bmp",
        "lossless.webp",
        "lossy.webp",
        "opaque.gif",
        "rgb.tif",
        "lzw.tif",
        "palette.tif",
        "palette_lzw.tif",
        "rgb.ppm",
    ];
    for name in names {
        let bytes = good(name);
        let whole = decode(&bytes).unwrap();
        for length in 0..bytes.len() {
            // Behind the pixels there may be something that nobody needs, such as PNG's end chunk.
            if let Ok(image) = decode(&bytes[..length]) {
                assert_eq!(image, whole, "{name}, {length} of {} bytes", bytes.len());
            }
        }
    }
    let jpeg = good("turned1.jpg");
    let half = &jpeg[..jpeg.len() / 2];
    assert_eq!(problem(decode(half)), ImageProblem::Truncated);
    assert_eq!(problem(decode(&jpeg[..jpeg.len() - 2])), ImageProblem::Truncated);
}

#[test]
fn bytes_after_the_image_do_no_harm() {
    for name in ["turned1.jpg", "rgb.png", "opaque.gif"] {
        let mut bytes = good(name);
        let image = decode(&bytes).unwrap();
        bytes.extend_from_slice(b"\0\0trailing words");
        assert_eq!(decode(&bytes).unwrap(), image, "{name}");
    }
}

#[test]
fn bytes_between_the_segments_of_a_jpeg_are_skipped() {
    let mut bytes = good("turned1.jpg");
    let image = decode(&bytes).unwrap();
    // Behind the first segment, whose length stands in its bytes 2 and 3.
    let end = 4 + usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
    bytes.splice(end..end, [0; 9]);
    assert_eq!(decode(&bytes).unwrap(), image);
    let cut = &bytes[..bytes.len() - 2];
    assert_eq!(problem(decode(cut)), ImageProblem::Truncated);
}

/// A PNG that claims `width` x `height`, its checksums right, with a few bytes of data.
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum().to_be_bytes()
    };
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let body = [kind, data].concat();
        [&(data.len() as u32).to_be_bytes()[..], &body, &crc(&body)].concat()
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    let data = [0x78, 0x9c, 0x63, 0, 0, 0, 1, 0, 1];
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", &data), chunk(b"IEND", &[])]
        .concat()
}

#[test]
fn a_bomb_is_refused_by_its_header() {
    let mut jpeg = good("turned1.jpg");
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    let mut bmp = good("rgb.bmp");
    bmp[18..22].copy_from_slice(&60_000_u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&60_000_u32.to_le_bytes());
    let mut gif = good("opaque.gif");
    gif[6..10].copy_from_slice(&[0xff; 4]);
    for (name, bytes) in [
        ("png", claiming(60_000, 60_000)),
        ("png of 2^31", claiming(i32::MAX as u32, i32::MAX as u32)),
        ("jpeg", jpeg),
        ("bmp", bmp),
        ("gif", gif),
        ("ppm", b"P6 100000 100000 255\n".to_vec()),
    ] {
        assert_eq!(problem(decode(&bytes)), ImageProblem::TooLarge, "{name}");
    }
}

#[test]
fn the_limits_are_ones_own() {
    let path = fixtures().join("rgb.png");
    let pixels = |max_pixels| DecodeConfig { max_pixels, ..DecodeConfig::default() };
    let bytes = |max_bytes| DecodeConfig { max_bytes, ..DecodeConfig::default() };
    assert!(Image::open_with(&path, pixels(13 * 17)).is_ok());
    let error = Image::open_with(&path, pixels(13 * 17 - 1)).unwrap_err();
    assert!(error.to_string().contains("13 x 17 pixels") && error.to_string().contains("220"), "{error}");
    assert_eq!(problem(Image::open_with(&path, bytes(13 * 17 * 3 - 1))), ImageProblem::TooLarge);
    // The file itself counts too.
    assert_eq!(problem(Image::open_with(&path, bytes(10))), ImageProblem::TooLarge);
}

#[test]
fn an_image_without_pixels_is_damaged() {
    assert_eq!(problem(decode(&claiming(0, 4))), ImageProblem::Damaged);
}

/// A TIFF of 3 x 2 pixels of one number each, places in a palette, big-endian and without compression.
fn with_palette(bits: u16, samples: u16, colors: Option<&[u16]>, pixels: &[u8]) -> Vec<u8> {
    let colors = colors.map(|colors| colors.iter().flat_map(|value| value.to_be_bytes()).collect::<Vec<_>>());
    let map = 8 + pixels.len() as u32;
    let directory = map + colors.as_ref().map_or(0, |colors| colors.len() as u32);
    let short = |tag: u16, value: u16| {
        [tag.to_be_bytes(), [0, 3], [0, 0], [0, 1], value.to_be_bytes(), [0, 0]].concat()
    };
    let long =
        |tag: u16, value: u32| [&tag.to_be_bytes()[..], &[0, 4, 0, 0, 0, 1], &value.to_be_bytes()].concat();
    let mut entries = vec![
        short(256, 3),
        short(257, 2),
        short(258, bits),
        short(259, 1),
        short(262, 3),
        long(273, 8),
        short(277, samples),
        short(278, 2),
        long(279, pixels.len() as u32),
    ];
    if let Some(colors) = &colors {
        let count = (colors.len() as u32 / 2).to_be_bytes();
        entries.push([&320_u16.to_be_bytes()[..], &[0, 3], &count, &map.to_be_bytes()].concat());
    }
    let count = (entries.len() as u16).to_be_bytes();
    [
        &b"MM\0\x2a"[..],
        &directory.to_be_bytes(),
        pixels,
        &colors.unwrap_or_default(),
        &count,
        &entries.concat(),
        &[0; 4],
    ]
    .concat()
}

#[test]
fn a_tiff_with_a_palette_has_its_colours_or_says_why_not() {
    // Two colours: reds, greens, blues, of 16 bits.
    let two = [0x1234, 0xffff, 0x5678, 0, 0x9abc, 0x80ff];
    let image = decode(&with_palette(1, 1, Some(&two), &[0b0100_0000, 0b1010_0000])).unwrap();
    let (first, second) = ([0x12, 0x56, 0x9a], [0xff, 0, 0x80]);
    let wanted = [first, second, first, second, first, second].concat();
    assert_eq!((image.shape(), image.pixels()), ([2, 3, 3], &sconce::data::Pixels::U8(wanted)));

    let refused = |bytes: &[u8], wanted: ImageProblem, words: &str| {
        let error = decode(bytes).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(problem(Err(error)), wanted);
    };
    let sixteen = vec![0; 3 * 16];
    refused(
        &with_palette(4, 1, Some(&sixteen), &[0; 4]),
        ImageProblem::Unsupported,
        "palette and 1 numbers of 4 bits",
    );
    refused(
        &with_palette(8, 2, Some(&vec![0; 768]), &[0; 12]),
        ImageProblem::Unsupported,
        "2 numbers of 8 bits",
    );
    refused(&with_palette(8, 1, None, &[0; 6]), ImageProblem::Damaged, "without one");
    refused(&with_palette(8, 1, Some(&two), &[0; 6]), ImageProblem::Damaged, "6 numbers for 256 colours");
}

#[test]
fn broken_files_never_panic() {
    let config = DecodeConfig { max_pixels: 1 << 16, max_bytes: 1 << 20, ..DecodeConfig::default() };
    for entry in fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if Path::new(&name)
            .extension()
            .is_some_and(|end| ["py", "json", "safetensors"].map(Into::into).contains(&end.to_owned()))
        {
            continue;
        }
        mutate::many(&name, &fs::read(&path).unwrap(), mutate::rounds(), |bytes| {
            match Image::decode(bytes, config) {
                Ok(image) => {
                    let [height, width, channels] = image.shape();
                    assert_eq!(image.pixels().len(), height * width * channels);
                    assert!(height * width <= 1 << 16);
                }
                Err(Error::Image { .. }) => {}
                Err(other) => panic!("{name}: {other}"),
            }
        });
    }
}

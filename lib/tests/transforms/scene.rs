//! Images that the tests look for things in.

use sconce::data::{
    BBox, ClassMap, Image, Keypoint, Mask, Object, Pixels, Sample, Target, Transform, Visibility,
};
use sconce::{Rng, Seed};

pub fn sample_of(image: Image) -> Sample {
    Sample { id: "test".into(), image, target: Target::default() }
}

pub fn object(bbox: BBox) -> Object {
    Object { label: 1, bbox, mask: None, keypoints: Vec::new(), area: None, ignore: false }
}

/// A white rectangle `[x0, y0, x1, y1]` on black: with its box, its mask, a keypoint in its middle, and its
/// class in the map.
pub fn marked(size: [usize; 2], channels: usize, marker: [usize; 4]) -> Sample {
    let ([height, width], [x0, y0, x1, y1]) = (size, marker);
    let mut image = vec![0; height * width * channels];
    let mut mask = vec![0; height * width];
    let mut classes = vec![0; height * width];
    for y in y0..y1 {
        for x in x0..x1 {
            let at = y * width + x;
            image[at * channels..][..channels].fill(255);
            (mask[at], classes[at]) = (1, 3);
        }
    }
    let [left, top, right, bottom] = marker.map(|side| side as f32);
    let middle =
        Keypoint { x: (left + right) / 2.0, y: (top + bottom) / 2.0, visibility: Visibility::Visible };
    let object = Object {
        label: 3,
        bbox: BBox { x0: left, y0: top, x1: right, y1: bottom },
        mask: Some(Mask { height, width, pixels: mask }),
        keypoints: vec![middle],
        area: Some(f64::from((right - left) * (bottom - top))),
        ignore: false,
    };
    let segmentation = Some(ClassMap { height, width, classes });
    let target = Target { objects: vec![object], segmentation, ..Target::default() };
    Sample { target, ..sample_of(Image::new([height, width, channels], Pixels::U8(image)).unwrap()) }
}

/// Random bytes.
pub fn noise(shape: [usize; 3], seed: u64) -> Image {
    let mut rng = Seed(seed).rng();
    let bytes = (0..shape.iter().product()).map(|_| rng.next_u64() as u8).collect();
    Image::new(shape, Pixels::U8(bytes)).unwrap()
}

/// A picture that changes slowly, so that neighbours are alike.
pub fn smooth([height, width, channels]: [usize; 3]) -> Image {
    let byte = |at: usize| {
        let (channel, x, y) = (at % channels, at / channels % width, at / channels / width);
        let wave = (x as f64 * 0.13 + channel as f64).sin() + (y as f64 * 0.09 - channel as f64).cos();
        (127.5 + wave * 60.0) as u8
    };
    Image::new([height, width, channels], Pixels::U8((0..height * width * channels).map(byte).collect()))
        .unwrap()
}

pub fn bytes(image: &Image) -> Vec<u8> {
    match image.pixels() {
        Pixels::U8(values) => values.clone(),
        Pixels::F32(values) => values.iter().map(|value| (value * 255.0 + 0.5) as u8).collect(),
    }
}

pub fn as_fractions(image: &Image) -> Image {
    let Pixels::U8(values) = image.pixels() else { panic!("not bytes") };
    Image::new(image.shape(), Pixels::F32(values.iter().map(|&byte| f32::from(byte) / 255.0).collect()))
        .unwrap()
}

pub fn apply(transform: &dyn Transform, sample: Sample, seed: u64) -> Sample {
    let mut rng: Rng = Seed(seed).rng();
    transform.apply(sample, &mut rng).unwrap()
}

/// A message of an error, or a failure if there is none.
pub fn refusal(transform: &dyn Transform, image: Image) -> String {
    transform.apply(sample_of(image), &mut Seed(0).rng()).unwrap_err().to_string()
}

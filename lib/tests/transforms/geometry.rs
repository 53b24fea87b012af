//! Boxes, masks and keypoints go where the pixels go.

use proptest::prelude::*;
use sconce::data::{BBox, ClassMap, Object, Sample, Transform, Visibility};
use sconce::transforms::*;

use crate::scene::{apply, bytes, marked, noise, refusal};

/// Holds a moved marker to its box, its mask, its keypoint and its class: `slack` pixels of a box may be more
/// than the marker's, as a turned box is larger than what was in it.
fn consistent(before: &Sample, after: &Sample, name: &str) -> Result<(), TestCaseError> {
    let [height, width, channels] = after.image.shape();
    let pixels = bytes(&after.image);
    let map = after.target.segmentation.as_ref().unwrap();
    prop_assert_eq!([map.height, map.width], [height, width]);
    let white: Vec<bool> = pixels.chunks(channels).map(|pixel| pixel[0] > 127).collect();
    // Pixels whose colour is not certain lie at the marker's edge.
    let doubtful: Vec<bool> = pixels.chunks(channels).map(|pixel| (1..255).contains(&pixel[0])).collect();
    for at in (0..height * width).filter(|&at| !doubtful[at]) {
        let class = map.classes[at];
        // Beyond the image there is black, and a class that does not count.
        let expected = if white[at] { class == 3 } else { class == 0 || class == ClassMap::IGNORE };
        prop_assert!(expected, "{}: pixel {} is {} and has class {}", name, at, white[at], class);
    }
    let Some(object) = after.target.objects.first() else {
        // A marker that is gone is small or out of sight.
        let seen = white.iter().filter(|white| **white).count();
        prop_assert!(seen <= 2 * (height + width), "{}: {} pixels are seen of no object", name, seen);
        return Ok(());
    };
    let mask = object.mask.as_ref().unwrap();
    prop_assert_eq!([mask.height, mask.width], [height, width]);
    let BBox { x0, y0, x1, y1 } = object.bbox;
    prop_assert!(x0 >= 0.0 && y0 >= 0.0 && x1 <= width as f32 && y1 <= height as f32 && x0 < x1 && y0 < y1);
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            prop_assert!(
                doubtful[at] || (mask.pixels[at] == 1) == white[at],
                "{}: mask at {} {}",
                name,
                x,
                y
            );
            if white[at] {
                let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
                let slack = 0.75;
                let inside = x > x0 - slack && x < x1 + slack && y > y0 - slack && y < y1 + slack;
                prop_assert!(inside, "{}: {} {} is white, the box {:?}", name, x, y, object.bbox);
            }
        }
    }
    let point = object.keypoints[0];
    if point.visibility == Visibility::Visible {
        let at = point.y as usize * width + point.x as usize;
        // Of a marker that became thin or tiny, the middle may fall between two pixels.
        let inside = mask.pixels.iter().filter(|&&pixel| pixel == 1).count() as f32;
        let large = inside >= 24.0
            && inside > 0.5 * object.bbox.area()
            && before.target.objects[0].bbox.area() >= 36.0;
        prop_assert!(!large || white[at] || doubtful[at], "{}: the middle at {:?} is not white", name, point);
    } else {
        prop_assert_eq!((point.x, point.y, point.visibility), (0.0, 0.0, Visibility::Unlabelled));
    }
    Ok(())
}

fn geometric() -> Vec<(&'static str, Box<dyn Transform>)> {
    vec![
        ("hflip", Box::new(RandomHorizontalFlip::new(1.0))),
        ("vflip", Box::new(RandomVerticalFlip::new(1.0))),
        ("resize", Box::new(Resize::new([37, 53]))),
        ("resize nearest", Box::new(Resize::new([61, 30]).filter(Filter::Nearest))),
        ("resize lanczos", Box::new(Resize::new(40).filter(Filter::Nearest))),
        ("center crop", Box::new(CenterCrop::new([24, 33]))),
        ("random crop", Box::new(RandomCrop::new(20).padding(3).pad_if_needed())),
        ("pad", Box::new(Pad::sides([1, 2, 3, 4]))),
        ("random resized crop", Box::new(RandomResizedCrop::new(32).filter(Filter::Nearest))),
        ("rotate", Box::new(Rotate::new(-180.0..=180.0))),
        ("rotate, expanded", Box::new(Rotate::new(-180.0..=180.0).expand())),
        ("rotate bilinear", Box::new(Rotate::new(-45.0..=45.0).filter(Filter::Bilinear))),
        (
            "affine",
            Box::new(
                Affine::new()
                    .degrees(-30.0..=30.0)
                    .translate_x(-0.2..=0.2)
                    .translate_y(-0.2..=0.2)
                    .scale(0.7..=1.4)
                    .shear_x(-20.0..=20.0)
                    .shear_y(-20.0..=20.0),
            ),
        ),
        ("perspective, extreme", Box::new(RandomPerspective::new(1.0).p(1.0).filter(Filter::Nearest))),
        ("perspective", Box::new(RandomPerspective::new(0.6).p(1.0).filter(Filter::Nearest))),
        ("elastic", Box::new(ElasticTransform::new().alpha(60.0).filter(Filter::Nearest))),
    ]
}

fn marker() -> impl Strategy<Value = ([usize; 2], [usize; 4])> {
    (8_usize..70, 8_usize..70).prop_flat_map(|(height, width)| {
        (0..width - 4, 0..height - 4).prop_flat_map(move |(x0, y0)| {
            (x0 + 4..=width, y0 + 4..=height).prop_map(move |(x1, y1)| ([height, width], [x0, y0, x1, y1]))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn everything_moves_together(
        (size, marker) in marker(), channels in prop::sample::select(vec![1_usize, 3, 4]), seed in any::<u64>(),
    ) {
        for (name, transform) in geometric() {
            let before = marked(size, channels, marker);
            let after = apply(transform.as_ref(), before.clone(), seed);
            consistent(&before, &after, name)?;
            prop_assert_eq!(&apply(transform.as_ref(), before, seed), &after, "{}: not the same again", name);
        }
    }

    #[test]
    fn a_turn_there_and_back_keeps_the_middle(degrees in -170.0_f64..170.0) {
        let before = marked([60, 60], 1, [25, 25, 35, 35]);
        let there = apply(&Rotate::new(degrees), before, 0);
        let back = apply(&Rotate::new(-degrees), there, 0);
        let point = back.target.objects[0].keypoints[0];
        prop_assert!((point.x - 30.0).abs() < 1e-3 && (point.y - 30.0).abs() < 1e-3, "{point:?}");
    }
}

#[test]
fn keypoints_of_pairs_change_places() {
    let mut sample = marked([10, 10], 1, [2, 2, 8, 8]);
    let middle = sample.target.objects[0].keypoints[0];
    let at = |x: f32| sconce::data::Keypoint { x, ..middle };
    sample.target.objects[0].keypoints = vec![at(5.0), at(3.0), at(7.0)];
    let flip = RandomHorizontalFlip::new(1.0).keypoint_pairs(&[[1, 2]]);
    let turned = apply(&flip, sample.clone(), 0);
    let places: Vec<f32> = turned.target.objects[0].keypoints.iter().map(|point| point.x).collect();
    // The left one is left again.
    assert_eq!(places, [5.0, 3.0, 7.0]);
    let flip = RandomHorizontalFlip::new(1.0).keypoint_pairs(&[[1, 3]]);
    let error = flip.apply(sample, &mut sconce::Seed(0).rng()).unwrap_err().to_string();
    assert!(error.contains("3 keypoints") && error.contains("\"test\""), "{error}");
}

#[test]
fn objects_go_by_the_rule() {
    let crop = |rule| Crop { top: 0, left: 8, size: [20, 20].into(), objects: rule, ..Crop::default() };
    let scene = || marked([20, 40], 3, [0, 4, 10, 14]);
    let kept = |min_visible: f32, min_side: f32, min_area: f32| {
        let rule = ObjectRule { min_visible, min_side, min_area };
        apply(&crop(rule), scene(), 0).target.objects
    };
    // 2 of 10 columns are left.
    let object = &kept(0.0, 1.0, 1.0)[0];
    assert_eq!(object.bbox, BBox { x0: 0.0, y0: 4.0, x1: 2.0, y1: 14.0 });
    assert_eq!(object.area, Some(20.0));
    assert_eq!(object.keypoints[0].visibility, Visibility::Unlabelled);
    assert_eq!((kept(0.2, 1.0, 1.0).len(), kept(0.21, 1.0, 1.0).len()), (1, 0));
    assert_eq!((kept(0.0, 2.0, 1.0).len(), kept(0.0, 2.5, 1.0).len()), (1, 0));
    assert_eq!((kept(0.0, 1.0, 20.0).len(), kept(0.0, 1.0, 21.0).len()), (1, 0));
    let rule = ObjectRule { min_visible: 1.5, ..ObjectRule::default() };
    let error = crop(rule).apply(scene(), &mut sconce::Seed(0).rng()).unwrap_err().to_string();
    assert!(error.contains("min_visible") && error.contains("1.5"), "{error}");
}

#[test]
fn boxes_are_cut_and_left_out_without_a_change_of_the_image() {
    let mut sample = marked([20, 20], 3, [2, 2, 9, 9]);
    let whole = sample.target.objects[0].clone();
    let with = |bbox| Object { bbox, mask: None, ..whole.clone() };
    sample.target.objects.push(with(BBox { x0: -5.0, y0: 3.0, x1: 4.0, y1: 25.0 }));
    sample.target.objects.push(with(BBox { x0: 7.0, y0: 7.0, x1: 7.0, y1: 9.0 }));
    sample.target.objects.push(with(BBox { x0: f32::NAN, y0: 7.0, x1: 9.0, y1: 9.0 }));
    let clean = apply(&SanitizeBoundingBoxes::default(), sample.clone(), 0);
    assert_eq!(clean.image, sample.image);
    let boxes: Vec<BBox> = clean.target.objects.iter().map(|object| object.bbox).collect();
    assert_eq!(boxes, [whole.bbox, BBox { x0: 0.0, y0: 3.0, x1: 4.0, y1: 20.0 }]);
}

#[test]
fn an_object_whose_mask_is_gone_goes() {
    let mut sample = marked([20, 20], 1, [0, 0, 20, 20]);
    let mask = sample.target.objects[0].mask.as_mut().unwrap();
    // The box is everywhere, its pixels only at the left.
    mask.pixels.iter_mut().enumerate().for_each(|(at, pixel)| *pixel = u8::from(at % 20 < 5));
    let right = Crop { top: 0, left: 10, size: 10.into(), ..Crop::default() };
    assert!(apply(&right, sample.clone(), 0).target.objects.is_empty());
    let left = Crop { top: 0, left: 0, size: 10.into(), ..Crop::default() };
    assert_eq!(apply(&left, sample, 0).target.objects[0].area, Some(200.0));
}

#[test]
fn masks_of_another_size_are_refused() {
    let mut sample = marked([20, 20], 1, [0, 0, 5, 5]);
    sample.target.objects[0].mask.as_mut().unwrap().width = 19;
    let error = Rotate::new(3.0).apply(sample, &mut sconce::Seed(0).rng()).unwrap_err().to_string();
    assert!(error.contains("mask of object 0") && error.contains("20 x 19"), "{error}");
}

#[test]
fn a_mirrored_copy_belongs_to_the_map_but_not_to_the_object() {
    let sample = marked([6, 6], 1, [0, 0, 2, 6]);
    let padded = apply(&Pad::sides([2, 0, 0, 0]).mode(PadMode::Symmetric), sample, 0);
    let mask = padded.target.objects[0].mask.as_ref().unwrap();
    assert_eq!(mask.pixels[..8], [0, 0, 1, 1, 0, 0, 0, 0]);
    assert_eq!(padded.target.segmentation.unwrap().classes[..8], [3, 3, 3, 3, 0, 0, 0, 0]);
}

#[test]
fn crops_that_do_not_fit_say_so() {
    let image = || noise([30, 20, 3], 1);
    let error = refusal(&RandomCrop::new(25), image());
    assert!(
        error.contains("25 x 25") && error.contains("30 x 20") && error.contains("pad_if_needed"),
        "{error}"
    );
    assert!(refusal(&RandomResizedCrop::new(0), image()).contains("0 x 0"));
    assert!(refusal(&RandomResizedCrop::new(8).scale(0.5..=1.5), image()).contains("0.5 to 1.5"));
    assert!(refusal(&RandomResizedCrop::new(8).ratio(2.0..=1.0), image()).contains("2 to 1"));
    assert!(refusal(&Resize::new([usize::MAX, 2]), image()).contains("2^30"));
    assert!(refusal(&Pad::new(usize::MAX), image()).contains("2^20"));
    assert!(refusal(&RandomHorizontalFlip::new(1.5), image()).contains("1.5"));
    assert!(refusal(&Rotate::new(f64::NAN), image()).contains("NaN"));
    assert!(refusal(&Rotate::new(10.0).filter(Filter::Lanczos), image()).contains("Lanczos"));
    assert!(refusal(&Affine::new().scale(0.0), image()).contains("scale"));
    assert!(refusal(&Affine::new().shear_x(90.0), image()).contains("shear_x"));
    assert!(refusal(&RandomPerspective::new(1.1), image()).contains("distortion"));
    assert!(refusal(&ElasticTransform::new().sigma(0.0), image()).contains("sigma"));
    assert!(refusal(&Rotate::new(5.0).fill([0.1, 0.2]), image()).contains("[0.1, 0.2]"));
}

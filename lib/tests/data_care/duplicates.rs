//! Exact and near duplicates.

use sconce::data::care::{FindingKind, Problem, ScanConfig};
use sconce::data::{Image, Pixels, Sample};
use sconce::rich::Rich;

use super::{Scene, data, sample};

/// Different pictures are no duplicates of each other, whatever their number.
#[test]
fn different_images_are_not_found() {
    let samples = (0..400).map(|seed| sample(&seed.to_string(), Scene::new(seed).image([48, 64]))).collect();
    let scan = data(samples).scan(ScanConfig::default()).unwrap();
    assert_eq!(
        scan.of(Problem::Duplicate).len() + scan.of(Problem::NearDuplicate).len(),
        0,
        "{}",
        scan.table().text()
    );
}

/// Through a JPEG file.
fn again(image: &Image) -> Image {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("again.jpg");
    image.save(&path).unwrap();
    Image::open(&path).unwrap()
}

#[test]
fn copies_that_were_resized_compressed_or_brightened_are_found() {
    let mut samples: Vec<Sample> = Vec::new();
    for seed in 0..30 {
        let scene = Scene::new(seed);
        let copies = [
            scene.image([120, 160]),
            scene.image([120, 160]),
            scene.image([75, 100]),
            scene.image([240, 330]),
            again(&scene.image([120, 160])),
            scene.drawn([120, 160], |value| 0.8 * value + 0.1),
            scene.image([120, 160]).to_grey().unwrap(),
        ];
        samples.extend(copies.into_iter().map(|copy| sample(&format!("{seed}"), copy)));
    }
    let config = ScanConfig { min_sharpness: 0.0, ..ScanConfig::default() };
    let scan = data(samples).scan(config).unwrap();
    for (at, measured) in scan.measured.iter().enumerate() {
        let first = at / 7 * 7;
        let kinds: Vec<_> = scan.findings.iter().filter(|finding| finding.index == at).collect();
        let kind = kinds.first().map(|finding| &finding.kind);
        let distance = measured
            .as_ref()
            .unwrap()
            .hash
            .unwrap()
            .distance(scan.measured[first].as_ref().unwrap().hash.unwrap());
        match (at - first, kind) {
            (0, None) => {}
            (1, Some(&FindingKind::Duplicate { of })) => assert_eq!(of, first),
            (2.., Some(&FindingKind::NearDuplicate { of, distance: told })) => {
                assert_eq!((of, told), (first, distance));
            }
            other => panic!("{at}: {other:?}, {distance} bits"),
        }
        assert!(kinds.len() <= 1, "{kinds:?}");
    }
    let kept: Vec<usize> = (0..30).map(|seed| seed * 7).collect();
    let dropped = scan.to_drop();
    assert!(kept.iter().all(|index| !dropped.contains(index)) && dropped.len() == 30 * 6);
    assert_eq!(
        scan.to_drop_for(&[Problem::Duplicate]),
        kept.iter().map(|index| index + 1).collect::<Vec<_>>()
    );
    let text = scan.rich().plain().unwrap().to_owned();
    assert!(text.contains("near duplicate") && text.contains("180 of 210 images"), "{text}");
    assert_eq!(scan.worst().len(), 16, "four of each kind with what they are copies of");
}

/// A thumbnail that comes first is dropped for its size; the large copy stays, the third one goes.
#[test]
fn of_duplicates_the_first_good_one_stays() {
    let scene = Scene::new(5);
    let samples = [[12, 16], [120, 160], [240, 320]].map(|size| sample("", scene.image(size)));
    let config = ScanConfig { near_distance: Some(10), ..ScanConfig::default() };
    let scan = data(samples.to_vec()).scan(config).unwrap();
    assert_eq!(scan.of(Problem::NearDuplicate).len(), 2, "{}", scan.table().text());
    assert_eq!(scan.to_drop(), [0, 2]);
    assert_eq!(scan.to_drop_for(&[Problem::NearDuplicate]), [1, 2]);
    assert_eq!(scan.to_drop_for(&[Problem::Tiny]), [0]);
}

#[test]
fn plain_images_are_duplicates_only_where_their_pixels_are_the_same() {
    let plain = |value: u8| sample("", Image::new([32, 32, 1], Pixels::U8(vec![value; 1024])).unwrap());
    let rows = Image::new([16, 64, 1], Pixels::U8(vec![90; 1024])).unwrap();
    let scan =
        data(vec![plain(90), plain(140), plain(90), sample("", rows)]).scan(ScanConfig::default()).unwrap();
    let found: Vec<_> = scan.of(Problem::Duplicate).iter().map(|finding| finding.kind.clone()).collect();
    assert_eq!(found, [FindingKind::Duplicate { of: 0 }]);
    assert_eq!(scan.of(Problem::NearDuplicate).len(), 0);
}

#[test]
fn near_duplicates_can_be_left_alone() {
    let scene = Scene::new(9);
    let samples = vec![
        sample("", scene.image([64, 64])),
        sample("", scene.image([80, 80])),
        sample("", scene.image([64, 64])),
    ];
    let scan =
        |near_distance| data(samples.clone()).scan(ScanConfig { near_distance, ..ScanConfig::default() });
    assert_eq!(scan(None).unwrap().to_drop(), [2]);
    assert_eq!(scan(Some(6)).unwrap().to_drop(), [1, 2]);
    let again = scan(Some(6)).unwrap();
    assert_eq!(again.findings, scan(Some(6)).unwrap().findings);
}

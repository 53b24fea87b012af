//! Images in several parts of a split.

use sconce::data::DataSplit;
use sconce::data::Split;
use sconce::data::care::ScanConfig;
use sconce::rich::Rich;

use super::{Scene, data, sample};

fn split() -> DataSplit {
    let part = |prefix: &str, images: &[(u64, [usize; 2])]| {
        let named = |(at, (seed, size)): (usize, &(u64, [usize; 2]))| {
            sample(&format!("{prefix}{at}"), Scene::new(*seed).image(*size))
        };
        data(images.iter().enumerate().map(named).collect())
    };
    let size = [60, 80];
    DataSplit {
        // Twice the same within a part is no leak.
        train: part("a", &[(1, size), (2, size), (3, size), (3, size)]),
        valid: part("b", &[(10, size), (2, size), (11, size)]),
        test: part("c", &[(11, size), (3, [90, 120]), (20, size)]),
    }
}

#[test]
fn images_of_an_earlier_part_are_found() {
    let mut split = split();
    let leaks = split.leaks(ScanConfig::default()).unwrap();
    let found: Vec<_> = leaks
        .leaks
        .iter()
        .map(|leak| (leak.image.id.as_str(), leak.twin.id.as_str(), leak.distance.is_none()))
        .collect();
    assert_eq!(found, [("b1", "a1", true), ("c0", "b2", true), ("c1", "a2", false)]);
    assert_eq!((leaks.leaks[2].image.part, leaks.leaks[2].twin.part), (Split::Test, Split::Train));
    assert!(leaks.leaks[2].distance.unwrap() <= 6);
    assert_eq!(
        [Split::Train, Split::Valid, Split::Test].map(|part| leaks.to_drop(part)),
        [vec![], vec![1], vec![0, 1]]
    );
    let text = leaks.rich().plain().unwrap().to_owned();
    let headline = "leaks: 1 of valid in train, 1 of test in train, 1 of test in valid\n";
    assert!(text.starts_with(headline) && text.contains("test 1 (c1)"), "{text}");
    assert_eq!(leaks.table().len(), 3);

    split.valid = split.valid.without(&leaks.to_drop(Split::Valid)).unwrap();
    split.test = split.test.without(&leaks.to_drop(Split::Test)).unwrap();
    let clean = split.leaks(ScanConfig::default()).unwrap();
    assert_eq!(clean.leaks, []);
    assert!(clean.rich().plain().unwrap().starts_with("leaks: 0 of valid in train"));
}

#[test]
fn without_near_duplicates_only_the_same_pixels_count() {
    let leaks = split().leaks(ScanConfig { near_distance: None, ..ScanConfig::default() }).unwrap();
    assert_eq!(leaks.to_drop(Split::Test), [0]);
    assert!(split().leaks(ScanConfig { near_distance: Some(11), ..ScanConfig::default() }).is_err());
}

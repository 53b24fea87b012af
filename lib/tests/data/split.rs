//! Splits, folds, weights of classes and statistics.

use std::collections::HashSet;

use proptest::prelude::*;
use sconce::data::{Dataset, Fold, Image, Pixels, Sample, Target, datasets};
use sconce::rich::Rich;
use sconce::transforms::RandomHorizontalFlip;
use sconce::{Error, Seed};

/// Images of one pixel, called `<group>-<number>`.
fn called(groups: &[usize], classes: &[u32], names: usize) -> Dataset {
    let samples = groups.iter().zip(classes).enumerate().map(|(at, (group, class))| Sample {
        id: format!("{group}-{at}"),
        image: Image::new([1, 1, 1], Pixels::U8(vec![at as u8])).unwrap(),
        target: Target { labels: vec![*class], ..Target::default() },
    });
    let names: Vec<String> = (0..names).map(|name| format!("class {name}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Dataset::in_memory(samples.collect(), &names).unwrap()
}

/// The number in the id of each sample, which is its index before the split.
fn numbers(data: &Dataset) -> Vec<usize> {
    let number = |index| data.id(index).unwrap().split_once('-').unwrap().1.parse().unwrap();
    (0..data.len()).map(number).collect()
}

fn group(id: &str) -> String {
    id.split('-').next().unwrap_or_default().to_owned()
}

fn groups(data: &Dataset) -> HashSet<String> {
    (0..data.len()).map(|index| group(&data.id(index).unwrap())).collect()
}

fn sorted(parts: &[&Dataset]) -> Vec<usize> {
    let mut all: Vec<usize> = parts.iter().flat_map(|part| numbers(part)).collect();
    all.sort_unstable();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn strata_are_within_one(
        classes in proptest::collection::vec(0..6_u32, 12..150), a in 0.2..0.6_f64, seed in any::<u64>()
    ) {
        let data = called(&vec![0; classes.len()], &classes, 6);
        let fractions = [a, (1.0 - a) / 2.0, (1.0 - a) / 2.0];
        let split = data.split(fractions, Seed(seed)).unwrap();
        let parts = [&split.train, &split.valid, &split.test];
        prop_assert_eq!(sorted(&parts), (0..classes.len()).collect::<Vec<_>>());
        for (part, fraction) in parts.iter().zip(fractions) {
            prop_assert!((part.len() as f64 - fraction * classes.len() as f64).abs() < 1.0);
            for (have, whole) in part.class_counts().unwrap().into_iter().zip(data.class_counts().unwrap()) {
                prop_assert!((have as f64 - fraction * whole as f64).abs() < 1.0, "{} of {}", have, whole);
            }
        }
    }

    #[test]
    fn chance_alone_keeps_the_sizes(n in 10..200_usize, seed in any::<u64>()) {
        let data = called(&vec![0; n], &vec![0; n], 1);
        let split = data.split_random([0.6, 0.2, 0.2], Seed(seed)).unwrap();
        let parts = [&split.train, &split.valid, &split.test];
        prop_assert_eq!(sorted(&parts), (0..n).collect::<Vec<_>>());
        for (part, fraction) in parts.iter().zip([0.6, 0.2, 0.2]) {
            prop_assert!((part.len() as f64 - fraction * n as f64).abs() < 1.0);
        }
    }

    #[test]
    fn a_group_is_in_one_part(members in proptest::collection::vec(0..12_usize, 60..200), seed in any::<u64>()) {
        let data = called(&members, &vec![0; members.len()], 1);
        let split = data.split_grouped([0.5, 0.25, 0.25], group, Seed(seed)).unwrap();
        let parts = [&split.train, &split.valid, &split.test];
        prop_assert_eq!(sorted(&parts), (0..members.len()).collect::<Vec<_>>());
        let kinds = parts.map(groups);
        prop_assert!(kinds[0].is_disjoint(&kinds[1]) && kinds[0].is_disjoint(&kinds[2]) && kinds[1].is_disjoint(&kinds[2]));
        // No part is further from its fraction than the largest group is large.
        let largest = (0..12).map(|of| members.iter().filter(|member| **member == of).count()).max().unwrap();
        for (part, fraction) in parts.iter().zip([0.5, 0.25, 0.25]) {
            prop_assert!((part.len() as f64 - fraction * members.len() as f64).abs() <= largest as f64);
        }
    }

    #[test]
    fn folds_cover_everything_once(
        classes in proptest::collection::vec(0..4_u32, 20..120), count in 2..9_usize, seed in any::<u64>()
    ) {
        let data = called(&vec![0; classes.len()], &classes, 4);
        let folds = data.folds(count, Seed(seed)).unwrap();
        prop_assert_eq!(folds.len(), count);
        for Fold { train, valid } in &folds {
            prop_assert_eq!(sorted(&[train, valid]), (0..classes.len()).collect::<Vec<_>>());
            for (have, whole) in valid.class_counts().unwrap().into_iter().zip(data.class_counts().unwrap()) {
                prop_assert!((have as f64 - whole as f64 / count as f64).abs() < 1.0);
            }
        }
        let measured: Vec<&Dataset> = folds.iter().map(|fold| &fold.valid).collect();
        prop_assert_eq!(sorted(&measured), (0..classes.len()).collect::<Vec<_>>());
    }
}

#[test]
fn folds_keep_groups_together_and_repeat_with_their_seed() {
    let members: Vec<usize> = (0..60).map(|at| at / 5).collect();
    let data = called(&members, &[0; 60], 1);
    let folds = |seed| data.folds_grouped(4, group, Seed(seed)).unwrap();
    for Fold { train, valid } in folds(1) {
        assert!(groups(&train).is_disjoint(&groups(&valid)));
        assert_eq!(valid.len(), 15);
    }
    let first = |seed| numbers(&folds(seed)[0].valid);
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
}

#[test]
fn wrong_folds_are_refused() {
    let data = called(&[0, 0, 0, 0], &[0, 0, 1, 1], 2);
    for (result, complaint) in [
        (data.folds(1, Seed(0)), "at least 2 folds"),
        (data.folds(5, Seed(0)), "5 of 4"),
        (data.folds_grouped(2, group, Seed(0)), "none for fold 1"),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(complaint), "{error}");
    }
    let error = data.split_grouped([0.5, 0.25, 0.25], group, Seed(0)).unwrap_err().to_string();
    assert!(error.contains("gets none") && error.contains("split_grouped"), "{error}");
}

#[test]
fn transforms_stay_with_the_parts() {
    let data = datasets::digits().unwrap().transform(RandomHorizontalFlip::new(1.0));
    let part = data.split([0.5, 0.25, 0.25], Seed(0)).unwrap().valid;
    let raw = part.sample(0).unwrap().image;
    assert_ne!(part.transformed(0, 0, Seed(0)).unwrap().image, raw);
}

#[test]
fn weights_of_classes_are_those_of_the_papers() {
    let classes: Vec<u32> = (0..100).map(|at| u32::from(at >= 90) + u32::from(at >= 98)).collect();
    let data = called(&[0; 100], &classes, 3);
    assert_eq!(data.class_counts().unwrap(), [90, 8, 2]);
    let weights = data.inverse_frequency_weights().unwrap();
    for (weight, expected) in weights.iter().zip([100.0 / 270.0, 100.0 / 24.0, 100.0 / 6.0]) {
        assert!((weight - expected).abs() < 1e-12, "{weights:?}");
    }
    // (1 - 0.9) / (1 - 0.9^n), brought to the sum 3.
    let inverse = [90, 8, 2].map(|n| 0.1 / (1.0 - 0.9_f64.powi(n)));
    let sum: f64 = inverse.iter().sum();
    let weights = data.effective_number_weights(0.9).unwrap();
    for (weight, inverse) in weights.iter().zip(inverse) {
        assert!((weight - inverse * 3.0 / sum).abs() < 1e-12, "{weights:?}");
    }
    assert_eq!(data.effective_number_weights(0.0).unwrap(), [1.0; 3]);
    for beta in [1.0, -0.1, f64::NAN] {
        assert!(data.effective_number_weights(beta).is_err());
    }
    let lacking = called(&[0], &[0], 2);
    for result in [lacking.inverse_frequency_weights(), lacking.effective_number_weights(0.9)] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("none of class 1") && error.contains("class 1\""), "{error}");
    }
}

#[test]
fn statistics_are_those_of_all_pixels_at_once() {
    // Of two sizes, so that pixels and not images count.
    let image = |shape: [usize; 3], from: usize| {
        let values = (0..shape.iter().product()).map(|at| ((from + at * 37) % 256) as u8).collect();
        Image::new(shape, Pixels::U8(values)).unwrap()
    };
    let images: Vec<Image> = (0..70).map(|at| image([3 + at % 4, 5, 3], at * 11)).collect();
    let samples: Vec<Sample> = images
        .iter()
        .enumerate()
        .map(|(at, image)| Sample { id: at.to_string(), image: image.clone(), target: Target::default() })
        .collect();
    let found = Dataset::in_memory(samples, &[]).unwrap().statistics().unwrap();
    assert_eq!((found.images, found.mean.len(), found.std.len()), (70, 3, 3));
    for channel in 0..3 {
        let values = images.iter().flat_map(|image| match image.pixels() {
            Pixels::U8(values) => {
                values.iter().skip(channel).step_by(3).map(|value| f64::from(*value) / 255.0)
            }
            Pixels::F32(_) => panic!("bytes"),
        });
        let values: Vec<f64> = values.collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!((f64::from(found.mean[channel]) - mean).abs() < 1e-6, "{found:?}, {mean}");
        assert!((f64::from(found.std[channel]) - variance.sqrt()).abs() < 1e-6, "{found:?}, {variance}");
    }
    assert!(found.rich().plain().unwrap().contains("pixels of 70 images"));
}

#[test]
fn statistics_say_what_is_wrong() {
    let empty = Dataset::in_memory(Vec::new(), &[]).unwrap();
    assert!(matches!(empty.statistics(), Err(Error::Argument { .. })));
    let image = |channels| Image::new([1, 1, channels], Pixels::U8(vec![0; channels])).unwrap();
    let samples = [1, 3].map(|channels| Sample {
        id: format!("of {channels}"),
        image: image(channels),
        target: Target::default(),
    });
    let error = Dataset::in_memory(samples.to_vec(), &[]).unwrap().statistics().unwrap_err().to_string();
    assert!(error.contains("3 channels in \"of 3\""), "{error}");
}

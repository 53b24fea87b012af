//! What makes several samples of one, or one of several: crops, mosaics, mixtures of batches, previews.

use candle_core::{DType, Device, Tensor};
use sconce::Seed;
use sconce::data::{ClassMap, Dataset, Transform};
use sconce::rich::Rich;
use sconce::transforms::*;

use crate::scene::{bytes, marked, noise, sample_of};

#[test]
fn five_crops_are_the_corners_and_the_middle() {
    let image = noise([10, 12, 3], 7);
    let crops = FiveCrop::new([4, 6]).with_mirrored().crops(&sample_of(image.clone())).unwrap();
    let (all, at) = (bytes(&image), |row: usize, column: usize| (row * 12 + column) * 3);
    for (crop, corner) in crops.iter().zip([at(0, 0), at(0, 6), at(6, 0), at(6, 6), at(3, 3)]) {
        assert_eq!(bytes(&crop.image)[..18], all[corner..corner + 18]);
    }
    // The first pixel of a mirrored crop is the last of its row.
    assert_eq!(bytes(&crops[5].image)[..3], all[at(0, 5)..at(0, 6)]);
    let error = FiveCrop::new(11).crops(&sample_of(image)).unwrap_err().to_string();
    assert!(error.contains("11 x 11") && error.contains("10 x 12"), "{error}");
}

#[test]
fn a_mosaic_holds_the_objects_of_all_four() {
    // Objects that no crop can cut away: as large as their images.
    let four = || [[40, 30], [20, 50], [64, 64], [9, 90]].map(|[h, w]| marked([h, w], 3, [0, 0, w, h]));
    for seed in 0..20 {
        let joined = Mosaic::new([48, 56]).join(four(), Seed(seed)).unwrap();
        assert_eq!(joined.image.shape(), [48, 56, 3]);
        assert_eq!(joined.target.objects.len(), 4);
        // All of it is covered, once.
        assert!(bytes(&joined.image).iter().all(|&byte| byte == 255));
        let map = joined.target.segmentation.as_ref().unwrap();
        assert!(map.classes.iter().all(|&class| class == 3));
        let area: f32 = joined.target.objects.iter().map(|object| object.bbox.area()).sum();
        assert_eq!(area, 48.0 * 56.0);
        let mut covered = vec![0; 48 * 56];
        for object in &joined.target.objects {
            let mask = object.mask.as_ref().unwrap();
            covered.iter_mut().zip(&mask.pixels).for_each(|(count, &inside)| *count += inside);
        }
        assert!(covered.iter().all(|&count| count == 1));
        assert_eq!(joined, Mosaic::new([48, 56]).join(four(), Seed(seed)).unwrap());
    }
}

#[test]
fn a_mosaic_of_some_without_a_map_does_not_count_them() {
    let mut four = [(); 4].map(|()| marked([8, 8], 1, [0, 0, 8, 8]));
    four[0].target.segmentation = None;
    let joined = Mosaic::new(16).join(four, Seed(1)).unwrap();
    let classes = joined.target.segmentation.unwrap().classes;
    assert_eq!((classes[0], classes[255]), (ClassMap::IGNORE, 3));
    assert_eq!(joined.target.labels, Vec::<u32>::new());
    let mixed = [1, 3, 3, 3].map(|channels| marked([8, 8], channels, [0, 0, 8, 8]));
    let error = Mosaic::new(16).join(mixed, Seed(1)).unwrap_err().to_string();
    assert!(error.contains("same channels"), "{error}");
}

/// Images of one number each, which is their place.
fn numbered(count: usize) -> (Tensor, Tensor) {
    let values: Vec<f32> = (0..count).flat_map(|at| [at as f32; 2 * 6 * 5]).collect();
    let labels: Vec<u32> = (0..count as u32).collect();
    let images = Tensor::from_vec(values, (count, 2, 6, 5), &Device::Cpu).unwrap();
    (images, Tensor::from_vec(labels, count, &Device::Cpu).unwrap())
}

#[test]
fn mixtures_have_their_classes_by_share() {
    let (images, labels) = numbered(4);
    for seed in 0..30 {
        for mixed in [
            MixUp::new(4).mix(&images, &labels, Seed(seed)).unwrap(),
            CutMix::new(4).mix(&images, &labels, Seed(seed)).unwrap(),
        ] {
            assert_eq!((mixed.images.dims(), mixed.targets.dims()), (images.dims(), &[4_usize, 4][..]));
            let targets = mixed.targets.to_vec2::<f32>().unwrap();
            let means = mixed.images.flatten_from(1).unwrap().mean(1).unwrap().to_vec1::<f32>().unwrap();
            for (at, (shares, mean)) in targets.iter().zip(means).enumerate() {
                assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                // An image is its number all over, so that its mean tells of what it was mixed.
                let before = (at + 3) % 4;
                let expected = shares[at] * at as f32 + shares[before] * before as f32;
                assert!((mean - expected).abs() < 1e-5, "seed {seed}, image {at}: {mean} for {expected}");
            }
        }
    }
}

#[test]
fn a_cut_is_a_rectangle_of_whole_pixels() {
    let (images, labels) = numbered(2);
    let mixed = CutMix::new(2).mix(&images, &labels, Seed(5)).unwrap();
    let values: Vec<f32> = mixed.images.flatten_all().unwrap().to_vec1().unwrap();
    assert!(values.iter().all(|value| [0.0, 1.0].contains(value)));
    let again = CutMix::new(2).mix(&images, &mixed.targets, Seed(5)).unwrap();
    assert_eq!(again.targets.dims(), [2, 2]);
    let one = CutMix::new(2).mix(&images.narrow(0, 0, 1).unwrap(), &labels.narrow(0, 0, 1).unwrap(), Seed(5));
    assert_eq!(one.unwrap().targets.to_vec2::<f32>().unwrap(), [[1.0, 0.0]]);
}

#[test]
fn mixtures_say_what_is_wrong() {
    let (images, labels) = numbered(3);
    let error = |result: sconce::Result<MixedBatch>| result.unwrap_err().to_string();
    assert!(error(MixUp::new(2).mix(&images, &labels, Seed(1))).contains("label 2 of image 2"));
    assert!(error(MixUp::new(0).mix(&images, &labels, Seed(1))).contains("at least one class"));
    assert!(error(MixUp::new(3).alpha(-1.0).mix(&images, &labels, Seed(1))).contains("alpha"));
    let bytes = images.to_dtype(DType::U8).unwrap();
    assert!(error(CutMix::new(3).mix(&bytes, &labels, Seed(1))).contains("U8"));
    let fewer = labels.narrow(0, 0, 2).unwrap();
    assert!(error(CutMix::new(3).mix(&images, &fewer, Seed(1))).contains("[2]"));
}

/// A detector's set: the image with one object all over, each of another class and size.
fn tiles() -> Dataset {
    let samples = (0..8_u32).map(|class| {
        let side = 20 + 3 * class as usize;
        let mut sample = marked([side, side + 5], 3, [0, 0, side + 5, side]);
        sample.id = class.to_string();
        sample.target.objects[0].label = class;
        sample
    });
    Dataset::in_memory(samples.collect(), &["a", "b", "c", "d", "e", "f", "g", "h"]).unwrap()
}

#[test]
fn samples_of_a_data_set_become_mosaics() {
    let data =
        tiles().transform(Resize::new(24)).join(Mosaic::new(32)).transform(RandomHorizontalFlip::new(1.0));
    let labels = |epoch: usize, index: usize| -> Vec<u32> {
        let sample = data.transformed(index, epoch, Seed(3)).unwrap();
        assert_eq!(sample.image.shape(), [32, 32, 3]);
        sample.target.objects.iter().map(|object| object.label).collect()
    };
    let mut partners = std::collections::BTreeSet::new();
    for epoch in 0..10 {
        for index in 0..8 {
            let found = labels(epoch, index);
            assert_eq!((found.len(), found[0]), (4, index as u32), "its own comes first");
            partners.extend(found[1..].iter().copied());
        }
    }
    assert_eq!(partners.len(), 8, "any other may come");
    assert_eq!(labels(4, 2), labels(4, 2));
    assert_ne!(
        (0..8).map(|at| labels(0, at)).collect::<Vec<_>>(),
        (0..8).map(|at| labels(1, at)).collect::<Vec<_>>()
    );
    // Of a part only its own samples are partners.
    let part = data.subset(&[1, 5]).unwrap();
    let of_part = part.transformed(0, 0, Seed(1)).unwrap();
    assert!(of_part.target.objects.iter().all(|object| [1, 5].contains(&object.label)));
    // In batches the same, whoever loads.
    for workers in [0, 2] {
        let batch = data.batches(8).seed(Seed(3)).epoch(4).workers(workers).next().unwrap().unwrap();
        let label = |target: &sconce::data::Target| target.objects[1].label;
        assert_eq!(label(&batch.targets[2]), labels(4, 2)[1]);
    }
    // Some stay alone.
    let some = tiles().join(Mosaic::new(32).probability(0.5));
    let alone = (0..200)
        .filter(|epoch| some.transformed(0, *epoch, Seed(1)).unwrap().target.objects.len() == 1)
        .count();
    assert!((70..130).contains(&alone), "{alone}");
    let error = tiles().join(Mosaic::new(32).probability(1.5)).transformed(0, 0, Seed(1)).unwrap_err();
    assert!(error.to_string().contains("probability"), "{error}");
}

#[test]
fn batches_are_mixed_on_their_way() {
    let (images, labels) = numbered(6);
    let labels: Vec<u32> = labels.to_vec1().unwrap();
    let data = Dataset::new(images, &labels, &["a", "b", "c", "d", "e", "f"]).unwrap();
    let first = |transform: RandomMix, epoch: usize| {
        data.batches(4).transform(transform).epoch(epoch).next().unwrap().unwrap()
    };
    let both = || RandomMix::new().or(MixUp::new(6)).or(CutMix::new(6));
    let mixed = first(both(), 0);
    assert_eq!((mixed.classes().dims(), mixed.labels.dims()), (&[4_usize, 6][..], &[4_usize][..]));
    let shares = mixed.shares.clone().unwrap().to_vec2::<f32>().unwrap();
    let means = mixed.images.flatten_from(1).unwrap().mean(1).unwrap().to_vec1::<f32>().unwrap();
    for (shares, mean) in shares.iter().zip(means) {
        let expected: f32 = shares.iter().enumerate().map(|(class, share)| share * class as f32).sum();
        assert!((mean - expected).abs() < 1e-5, "{shares:?}: {mean}");
    }
    assert!(mixed.rich().plain().unwrap().contains(" %"));
    let again = first(both(), 0).shares.unwrap().to_vec2::<f32>().unwrap();
    assert_eq!(again, shares);
    assert_ne!(first(both(), 1).shares.unwrap().to_vec2::<f32>().unwrap(), shares);
    // None, some, and without any to choose from.
    assert!(first(both().probability(0.0), 0).shares.is_none());
    let unmixed = (0..200).filter(|epoch| first(both().probability(0.5), *epoch).shares.is_none()).count();
    assert!((70..130).contains(&unmixed), "{unmixed}");
    let error = |transform: RandomMix| data.batches(4).transform(transform).next().unwrap().unwrap_err();
    assert!(error(RandomMix::new()).to_string().contains("at least one transform"));
    assert!(error(both().probability(-0.1)).to_string().contains("probability"));
    assert!(error(RandomMix::new().or(MixUp::new(2))).to_string().contains("label 2"));
    // Padded images have no mixture, detection has no classes to share.
    let padded = tiles().batches(2).sizes(sconce::data::Sizes::Pad { multiple_of: 1 });
    let refused = padded.transform(MixUp::new(8)).next().unwrap().unwrap_err().to_string();
    assert!(refused.contains("one size"), "{refused}");
    let refused = tiles().transform(Resize::new([8, 8])).batches(2).transform(CutMix::new(8)).next().unwrap();
    assert!(refused.unwrap_err().to_string().contains("[0]"));
}

#[test]
fn a_preview_shows_the_image_before_and_after() {
    let sample = marked([12, 12], 3, [2, 2, 7, 9]);
    let grid = Rotate::new(-90.0..=90.0).preview(&sample, 4, Seed(1)).unwrap();
    assert_eq!(grid.len(), 5);
    assert!(grid.rich().plain().unwrap().contains("before"));
    // A normalized image is drawn too.
    assert_eq!(Compose::new().then(Normalize::imagenet()).preview(&sample, 1, Seed(1)).unwrap().len(), 2);
    assert!(RandomCrop::new(13).preview(&sample, 2, Seed(1)).is_err());
}

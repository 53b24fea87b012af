//! Tags and class maps of a batch as tensors, and the metrics that take them.

use candle_core::{DType, Device, Tensor};
use sconce::data::{Batch, ClassMap, Target};
use sconce::metrics::{f1, mean_iou};
use sconce::prelude::Average;

fn batch(targets: Vec<Target>) -> Batch {
    let count = targets.len();
    Batch {
        images: Tensor::zeros((count, 3, 2, 3), DType::F32, &Device::Cpu).unwrap(),
        labels: Tensor::zeros(0, DType::U32, &Device::Cpu).unwrap(),
        shares: None,
        targets,
        pixel_mask: None,
        indices: (10..10 + count).collect(),
    }
}

fn tagged(labels: &[u32]) -> Target {
    Target { labels: labels.to_vec(), ..Target::default() }
}

fn mapped(height: usize, width: usize, classes: &[u16]) -> Target {
    Target { segmentation: Some(ClassMap { height, width, classes: classes.to_vec() }), ..Target::default() }
}

#[test]
fn tags_say_which_classes_are_there() {
    let batch = batch(vec![tagged(&[0, 2]), tagged(&[]), tagged(&[1, 1])]);
    let tags = batch.tags(3).unwrap();
    assert_eq!(tags.to_vec2::<f32>().unwrap(), [[1.0, 0.0, 1.0], [0.0; 3], [0.0, 1.0, 0.0]]);
    let mut metric = f1(Average::Micro);
    metric.update(&((&tags - 0.5).unwrap() * 8.0).unwrap(), &tags).unwrap();
    assert_eq!(metric.value().unwrap(), 1.0);
    let error = batch.tags(2).unwrap_err().to_string();
    assert!(error.contains("2 in image 10") && error.contains("below 2"), "{error}");
    let mixed = Batch { shares: Some(tags), ..batch };
    assert!(mixed.tags(3).unwrap_err().to_string().contains("mixed"));
    assert!(mixed.class_maps().unwrap_err().to_string().contains("mixed"));
}

#[test]
fn class_maps_lie_where_their_images_do() {
    let whole = mapped(2, 3, &[0, 1, 2, 3, 255, 300]);
    let maps = batch(vec![whole.clone()]).class_maps().unwrap();
    assert_eq!(
        (maps.dtype(), maps.to_vec3::<u32>().unwrap()),
        (DType::U32, vec![vec![vec![0, 1, 2], vec![3, 255, 300]]])
    );

    // The second image is smaller and padded.
    let mask = Tensor::new(&[[[1u8, 1, 1], [1, 1, 1]], [[1, 1, 0], [0, 0, 0]]], &Device::Cpu).unwrap();
    let padded = Batch { pixel_mask: Some(mask), ..batch(vec![whole.clone(), mapped(1, 2, &[1, 0])]) };
    let maps = padded.class_maps().unwrap();
    assert_eq!(maps.get(1).unwrap().to_vec2::<u32>().unwrap(), [[1, 0, 255], [255; 3]]);
    let mut metric = mean_iou();
    let says_0 = Tensor::zeros((1, 2, 2, 3), DType::F32, &Device::Cpu).unwrap();
    metric.update(&says_0, &maps.narrow(0, 1, 1).unwrap()).unwrap();
    assert_eq!(metric.value().unwrap(), 0.25, "one of two pixels, and nothing of the other class");

    for (targets, named) in [
        (vec![whole.clone(), tagged(&[1])], "none for image 11"),
        (vec![whole.clone(), mapped(3, 2, &[0; 6])], "2 x 3 for image 11"),
        (vec![mapped(2, 3, &[0; 5])], "with 5 classes"),
    ] {
        let error = batch(targets).class_maps().unwrap_err().to_string();
        assert!(error.contains(named), "{error} should name {named}");
    }
}

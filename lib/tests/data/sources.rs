//! Data sets over sources that are no tensors: samples in memory, files of several sizes, wrong labels.

use sconce::data::{
    BBox, BatchConfig, Dataset, Image, Object, Pixels, Sample, Sizes, Source, Target, Transform,
};
use sconce::rich::Rich;
use sconce::{Error, Result, Rng, Seed};

/// A grey image of `[height, width]`, all of one value, with these classes.
fn grey(id: &str, [height, width]: [usize; 2], value: u8, labels: &[u32]) -> Sample {
    let image = Image::new([height, width, 1], Pixels::U8(vec![value; height * width])).unwrap();
    Sample { id: id.into(), image, target: Target { labels: labels.to_vec(), ..Target::default() } }
}

fn two_sizes() -> Dataset {
    let samples = vec![grey("small", [2, 3], 255, &[0]), grey("large", [4, 2], 51, &[1])];
    Dataset::in_memory(samples, &["cat", "dog"]).unwrap()
}

#[derive(Debug)]
struct Brighten(u8);

impl Transform for Brighten {
    fn apply(&self, sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let [height, width, channels] = sample.image.shape();
        let Pixels::U8(values) = sample.image.into_pixels() else { unreachable!("bytes") };
        let more = self.0 + rng.below(5) as u8;
        let values = values.into_iter().map(|value| value.saturating_add(more)).collect();
        Ok(Sample { image: Image::new([height, width, channels], Pixels::U8(values))?, ..sample })
    }
}

#[test]
fn one_size_is_known_and_becomes_a_batch_of_fractions() {
    let samples = vec![grey("a", [1, 2], 0, &[1]), grey("b", [1, 2], 255, &[0])];
    let data = Dataset::in_memory(samples, &["cat", "dog"]).unwrap().named("greys");
    assert_eq!((data.image_shape(), data.len(), data.num_classes()), (Some([1, 1, 2]), 2, 2));
    let batch = data.batches(2).next().unwrap().unwrap();
    assert_eq!(batch.images.flatten_all().unwrap().to_vec1::<f32>().unwrap(), [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(batch.labels.to_vec1::<u32>().unwrap(), [1, 0]);
    assert!(batch.pixel_mask.is_none());
    assert!(data.rich().plain().unwrap().starts_with("greys: 2 images of 1 x 1 x 2, 2 classes"));
    let part = data.subset(&[1]).unwrap();
    assert_eq!((part.id(0).unwrap(), part.label_values().unwrap()), ("b".into(), &[0][..]));
    assert_eq!(part.get(0).unwrap().0.dims(), [1, 1, 2]);
}

#[test]
fn several_sizes_are_an_error_that_says_what_to_do_or_are_padded() {
    let data = two_sizes();
    assert_eq!(data.image_shape(), None);
    for error in [data.images().unwrap_err(), data.batches(2).next().unwrap().unwrap_err()] {
        let text = error.to_string();
        assert!(text.contains("resize") && text.contains("\"large\"") && text.contains("4 x 2"), "{text}");
    }
    assert_eq!(data.batches(1).filter(Result::is_ok).count(), 2);
    assert_eq!(data.show_batch(2).len(), 2);

    let batch = data.batches(2).sizes(Sizes::Pad { multiple_of: 1 }).next().unwrap().unwrap();
    assert_eq!(batch.images.dims(), [2, 1, 4, 3]);
    let mask = batch.pixel_mask.unwrap().flatten_all().unwrap().to_vec1::<u8>().unwrap();
    assert_eq!(mask, [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0]);
    let values = batch.images.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    for (value, (inside, of)) in
        values.iter().zip(mask.iter().zip([1.0, 0.2].into_iter().flat_map(|of| [of; 12])))
    {
        assert_eq!(*value, f32::from(*inside) * of);
    }
    let config =
        BatchConfig { batch_size: 2, sizes: Sizes::Pad { multiple_of: 8 }, ..BatchConfig::default() };
    assert_eq!(data.batches(config).next().unwrap().unwrap().images.dims(), [2, 1, 8, 8]);
    let wrong = data.batches(2).sizes(Sizes::Pad { multiple_of: 0 }).next().unwrap().unwrap_err();
    assert!(wrong.to_string().contains("multiple"), "{wrong}");
}

#[test]
fn channels_that_differ_are_refused() {
    let image = Image::new([2, 3, 3], Pixels::F32(vec![0.5; 18])).unwrap();
    let colour = Sample { id: "colour".into(), image, target: Target::default() };
    let data = Dataset::in_memory(vec![grey("grey", [2, 3], 1, &[]), colour], &[]).unwrap();
    for sizes in [Sizes::Same, Sizes::Pad { multiple_of: 1 }] {
        let error = data.batches(2).sizes(sizes).next().unwrap().unwrap_err().to_string();
        assert!(error.contains("channels") && error.contains("\"colour\""), "{error}");
    }
}

#[test]
fn images_without_a_class_have_their_targets() {
    let mut sample = grey("street", [4, 4], 9, &[]);
    let bbox = BBox { x0: 1.0, y0: 1.0, x1: 3.0, y1: 2.0 };
    let object = Object { label: 1, bbox, mask: None, keypoints: Vec::new(), area: None, ignore: false };
    sample.target.objects.push(object.clone());
    let data = Dataset::in_memory(vec![sample.clone(), sample], &["car", "tree"]).unwrap();
    let batch = data.batches(2).next().unwrap().unwrap();
    assert_eq!(batch.labels.dims(), [0]);
    assert_eq!(batch.targets[1].objects, [object]);
    let text = data.label_values().unwrap_err().to_string();
    assert!(text.contains("0 classes of image 0") && text.contains("street"), "{text}");
    assert!(data.get(0).is_err());
    assert_eq!(data.class_counts().unwrap(), [0, 0]);
    assert_eq!(data.labels_of(1).unwrap(), [0_u32; 0]);
}

#[test]
fn a_transform_belongs_to_the_set_it_was_given_to() {
    let samples = (0..20).map(|at| grey(&at.to_string(), [2, 2], 10, &[at % 2])).collect();
    let data = Dataset::in_memory(samples, &["a", "b"]).unwrap();
    let brighter = data.transform(Brighten(100)).transform(Brighten(20));
    assert_eq!(brighter.image_shape(), None);
    assert_eq!(data.transformed(3, 0, Seed(1)).unwrap(), data.sample(3).unwrap());
    assert_eq!(brighter.sample(3).unwrap(), data.sample(3).unwrap());
    assert_eq!(brighter.untransformed().transformed(3, 0, Seed(1)).unwrap(), data.sample(3).unwrap());
    let value = |data: &Dataset, index, epoch, seed| match data.transformed(index, epoch, Seed(seed)) {
        Ok(sample) => match sample.image.pixels() {
            Pixels::U8(values) => values[0],
            Pixels::F32(_) => panic!("bytes stay bytes"),
        },
        Err(error) => panic!("{error}"),
    };
    let all: Vec<u8> = (0..20).map(|index| value(&brighter, index, 0, 1)).collect();
    assert!(all.iter().all(|value| (130..=138).contains(value)), "{all:?}");
    // Another index, epoch or seed is another draw.
    assert!(all.iter().any(|value| *value != all[0]));
    assert_eq!(all, (0..20).map(|index| value(&brighter, index, 0, 1)).collect::<Vec<_>>());
    assert_ne!(all, (0..20).map(|index| value(&brighter, index, 1, 1)).collect::<Vec<_>>());
    assert_ne!(all, (0..20).map(|index| value(&brighter, index, 0, 2)).collect::<Vec<_>>());
    // Batches hold what `transformed` says.
    for batch in brighter.batches(8).shuffle(Seed(1)) {
        let batch = batch.unwrap();
        let values = batch.images.flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        for (index, values) in batch.indices.iter().zip(values) {
            assert_eq!(values[0], f32::from(all[*index]) / 255.0);
        }
    }
}

#[test]
fn tensors_become_samples_where_there_is_a_transform() {
    let data = sconce::data::datasets::digits().unwrap();
    let flipped = data.transform(sconce::transforms::RandomHorizontalFlip::new(1.0));
    let (plain, turned) = (data.get(5).unwrap(), flipped.get(5).unwrap());
    assert_eq!(plain.1, turned.1);
    let row = |image: &sconce::prelude::Tensor| image.to_vec3::<f32>().unwrap()[0][3].clone();
    assert_eq!(row(&plain.0), row(&turned.0).into_iter().rev().collect::<Vec<_>>());
    assert_ne!(row(&plain.0), row(&turned.0));
}

/// A source whose labels and files are wrong.
#[derive(Debug)]
struct Wrong(Vec<String>);

impl Source for Wrong {
    fn len(&self) -> usize {
        3
    }
    fn id(&self, index: usize) -> String {
        format!("wrong/{index}.jpg")
    }
    fn labels(&self, _index: usize) -> Vec<u32> {
        vec![7]
    }
    fn target(&self, index: usize) -> Result<Target> {
        Ok(Target { labels: self.labels(index), ..Target::default() })
    }
    fn sample(&self, index: usize) -> Result<Sample> {
        Ok(grey(&self.id(index), [2, 2], 0, &self.labels(index)))
    }
    fn class_names(&self) -> &[String] {
        &self.0
    }
}

#[test]
fn a_class_without_a_name_is_an_error_wherever_it_is_used() {
    let data = Dataset::from_source(Wrong(vec!["only".into()]));
    let errors = [
        data.label_values().map(|_| ()),
        data.labels_of(0).map(|_| ()),
        data.class_counts().map(|_| ()),
        data.get(0).map(|_| ()),
        data.batches(2).next().unwrap().map(|_| ()),
        data.split([0.4, 0.3, 0.3], Seed(0)).map(|_| ()),
        Dataset::in_memory(vec![grey("wrong/0.jpg", [1, 1], 0, &[7])], &["only"]).map(|_| ()),
    ];
    for (at, error) in errors.into_iter().enumerate() {
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Argument { .. }));
        let text = error.to_string();
        assert!(text.contains("label 7") && text.contains("wrong/0.jpg"), "{at}: {text}");
    }
    // What is looked at says it in words.
    assert!(data.rich().plain().unwrap().contains("label 7"));
    assert!(data.show_batch(2).text().contains("label 7"));
}

fn boxed(width: f32, height: f32, area: Option<f64>, ignore: bool) -> Object {
    let bbox = BBox { x0: 1.0, y0: 2.0, x1: 1.0 + width, y1: 2.0 + height };
    Object { label: 0, bbox, mask: None, keypoints: Vec::new(), area, ignore }
}

#[test]
fn sizes_of_boxes_are_counted_as_coco_counts_them() {
    let objects = [
        vec![boxed(31.0, 33.0, None, false), boxed(32.0, 32.0, None, false), boxed(96.0, 96.0, None, false)],
        // Its mask is small; a group does not count; one that is no box.
        vec![
            boxed(200.0, 100.0, Some(900.0), false),
            boxed(50.0, 50.0, None, true),
            boxed(0.0, 9.0, None, false),
        ],
        vec![],
    ];
    let samples = objects.into_iter().enumerate().map(|(at, objects)| {
        let sample = grey(&at.to_string(), [200, 300], 0, &[]);
        Sample { target: Target { objects, ..Target::default() }, ..sample }
    });
    let data = Dataset::in_memory(samples.collect(), &["thing"]).unwrap().named("things");
    let sizes = data.box_sizes().unwrap();
    assert_eq!((sizes.counts(), sizes.ignored(), sizes.flat()), ([2, 1, 1], 1, 1));
    assert_eq!(sizes.sizes(), [(31.0, 33.0), (200.0, 100.0), (32.0, 32.0), (96.0, 96.0)]);
    assert_eq!(
        sizes.text(),
        "things: 4 boxes in 3 images\n\
         size    boxes   share  width      height\n\
         ------  -----  ------  ---------  ---------\n\
         small       2  50.0 %  31 to 200  33 to 100\n\
         medium      1  25.0 %  32 to 32   32 to 32\n\
         large       1  25.0 %  96 to 96   96 to 96\n\
         images without a box: 1\nboxes of groups or too hard, left out: 1\n\
         boxes without a width or a height, left out: 1\n"
    );
    let svg = sizes.scatter().svg().unwrap();
    for label in [
        "small",
        "medium",
        "things: 4 boxes in 3 images: 2 small, 1 medium, 1 large",
        "an area of 32 x 32",
        "an area of 96 x 96",
        "width",
        "height",
    ] {
        assert!(svg.contains(&format!("\n{label}\n")), "{label} in {svg}");
    }
    assert!(sizes.rich().forms.iter().any(|(mime, _)| mime == "text/html"));
    // Of a part only its own.
    assert_eq!(data.subset(&[1]).unwrap().box_sizes().unwrap().counts(), [1, 0, 0]);
    let error = data.subset(&[2]).unwrap().box_sizes().unwrap_err().to_string();
    assert!(error.contains("with boxes") && error.contains("class_balance"), "{error}");
}

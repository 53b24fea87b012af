//! A learner trains from any data set, with transforms on its training part.

use sconce::Rng;
use sconce::data::{DecodeConfig, Image, Pixels, PixelsMut, Sample, Source, Target};
use sconce::prelude::*;
use sconce::transforms::{CutMix, MixUp, RandomHorizontalFlip, RandomMix};

/// Makes all pixels a little darker, by chance.
#[derive(Debug)]
struct Dim;

impl Transform for Dim {
    fn apply(&self, mut sample: Sample, rng: &mut Rng) -> Result<Sample> {
        let factor = 0.8 + 0.2 * rng.uniform_f32();
        if let PixelsMut::U8(values) = sample.image.pixels_mut() {
            for value in values {
                *value = (f32::from(*value) * factor) as u8;
            }
        }
        Ok(sample)
    }
}

/// Colour images of 6 x 6 bytes, bright above (class 0) or below (class 1), as files would give them.
fn halves(count: usize) -> DataSplit {
    let mut rng = Seed(4).rng();
    let samples = (0..count).map(|at| {
        let class = at % 2;
        let mut values = Vec::new();
        for y in 0..6 {
            for _ in 0..6 * 3 {
                let bright = (y < 3) == (class == 0);
                values.push((rng.below(120) + if bright { 120 } else { 0 }) as u8);
            }
        }
        let image = Image::new([6, 6, 3], Pixels::U8(values)).unwrap();
        Sample {
            id: at.to_string(),
            image,
            target: Target { labels: vec![class as u32], ..Target::default() },
        }
    });
    let data = Dataset::in_memory(samples.collect(), &["above", "below"]).unwrap();
    let mut parts = data.split([0.6, 0.2, 0.2], Seed(1)).unwrap();
    parts.train = parts.train.transform(RandomHorizontalFlip::new(0.5)).transform(Dim);
    parts
}

fn learner() -> Learner {
    let net = Model::build([3, 6, 6], |x| x.conv2d(4, 3).relu().flatten().linear(2)).unwrap();
    let net = net.init(Seed(1), &Device::Cpu).unwrap();
    Learner::new(net, halves(200)).optimizer(adamw(1e-2)).metric(accuracy()).batch_size(16)
}

#[test]
fn a_learner_trains_on_samples_with_augmentation() {
    let mut first = learner();
    let history = first.fit(6).unwrap();
    let losses: Vec<f64> = history.epochs().iter().map(|epoch| epoch.train_loss).collect();
    assert!(losses[5] < 0.5 * losses[0], "{losses:?}");
    let accuracy = first.evaluate(Split::Test).unwrap().metric("accuracy").unwrap();
    assert!(accuracy > 0.9, "{accuracy}");
    // The same again, bit for bit, whichever thread loads what; in two calls too.
    let mut second = learner();
    second.fit(2).unwrap();
    let again = second.fit(4).unwrap();
    assert_eq!(losses, again.epochs().iter().map(|epoch| epoch.train_loss).collect::<Vec<_>>());
    // Another epoch draws otherwise: the images of the training part are not always the same.
    let train = &first.data().train;
    assert_ne!(train.transformed(0, 1, Seed(42)).unwrap(), train.transformed(0, 2, Seed(42)).unwrap());
}

#[test]
fn images_without_a_class_are_refused_before_the_first_step() {
    let mut parts = halves(20);
    let samples = (0..4).map(|index| {
        let mut sample = parts.train.sample(index).unwrap();
        sample.target.labels.clear();
        sample
    });
    parts.train = Dataset::in_memory(samples.collect(), &["above", "below"]).unwrap();
    let net = Model::build([3, 6, 6], |x| x.flatten().linear(2)).unwrap();
    let mut learner = Learner::new(net.init(Seed(1), &Device::Cpu).unwrap(), parts);
    let error = learner.fit(1).unwrap_err().to_string();
    assert!(error.contains("one class for each image") && error.contains("0 classes of image 0"), "{error}");
}

/// A source of which some samples cannot be read.
#[derive(Debug)]
struct Holes {
    whole: Dataset,
    unreadable: Vec<usize>,
}

impl Source for Holes {
    fn len(&self) -> usize {
        self.whole.len()
    }
    fn id(&self, index: usize) -> String {
        format!("{index}.jpg")
    }
    fn labels(&self, index: usize) -> Vec<u32> {
        self.whole.labels_of(index).unwrap().to_vec()
    }
    fn target(&self, index: usize) -> Result<Target> {
        Ok(self.whole.sample(index)?.target)
    }
    fn sample(&self, index: usize) -> Result<Sample> {
        if self.unreadable.contains(&index) {
            return Image::decode(b"no image", DecodeConfig::default()).map(|_| unreachable!());
        }
        self.whole.sample(index)
    }
    fn class_names(&self) -> &[String] {
        self.whole.class_names()
    }
}

fn with_holes(unreadable: [&[usize]; 3]) -> Learner {
    let parts = halves(100);
    let holes = |whole: &Dataset, unreadable: &[usize]| {
        Dataset::from_source(Holes { whole: whole.clone(), unreadable: unreadable.to_vec() })
    };
    let data = DataSplit {
        train: holes(&parts.train, unreadable[0]),
        valid: holes(&parts.valid, unreadable[1]),
        test: holes(&parts.test, unreadable[2]),
    };
    let net = Model::build([3, 6, 6], |x| x.conv2d(4, 3).relu().flatten().linear(2)).unwrap();
    let net = net.init(Seed(1), &Device::Cpu).unwrap();
    Learner::new(net, data).optimizer(adamw(1e-2)).metric(accuracy()).batch_size(8)
}

#[test]
fn images_that_cannot_be_read_are_skipped_and_told() {
    let holes: [&[usize]; 3] = [&[3, 40, 41], &[0], &[2, 19]];
    let error = with_holes(holes).fit(1).unwrap_err().to_string();
    assert!(error.contains("jpg") && error.contains("not an image"), "{error}");

    let mut learner = with_holes(holes).on_error(OnError::Skip);
    let history = learner.fit(2).unwrap();
    let skipped = |part| -> Vec<(usize, String)> {
        history.skipped(part).samples.iter().map(|skipped| (skipped.index, skipped.id.clone())).collect()
    };
    // Both epochs left them out; each is told once.
    let named =
        |indices: &[usize]| indices.iter().map(|index| (*index, format!("{index}.jpg"))).collect::<Vec<_>>();
    assert_eq!(skipped(Split::Train), named(&[3, 40, 41]));
    assert_eq!((skipped(Split::Valid), skipped(Split::Test)), (named(&[0]), named(&[])));
    assert_eq!(history.epochs().iter().map(|epoch| epoch.skipped).collect::<Vec<_>>(), [4, 4]);
    let text = history.rich().plain().unwrap().to_owned();
    assert!(text.contains("train part: 3 samples were skipped") && text.contains("40.jpg"), "{text}");
    assert!(text.contains("valid part: 1 sample was skipped") && text.contains("not an image"), "{text}");
    assert_eq!(History::from_json(&history.to_json()).unwrap(), history);

    let evaluation = learner.evaluate(Split::Test).unwrap();
    let kept: Vec<usize> = (0..20).filter(|index| ![2, 19].contains(index)).collect();
    assert_eq!(evaluation.indices(), kept);
    assert_eq!((evaluation.predicted().len(), evaluation.targets().len()), (18, 18));
    let expected: Vec<u32> =
        kept.iter().map(|&index| learner.data().test.labels_of(index).unwrap()[0]).collect();
    assert_eq!(evaluation.targets(), expected);
    assert_eq!(evaluation.skipped().samples.len(), 2);
}

/// A whole batch that cannot be read does not come; training counts its step and goes on after it.
#[test]
fn a_batch_of_which_nothing_is_left_is_no_step() {
    let all: Vec<usize> = (0..60).collect();
    // Without shuffling nobody knows which batch has which image: so all but a few cannot be read.
    let mut learner = with_holes([&all[2..], &[], &[]]).on_error(OnError::Skip);
    let history = learner.fit(3).unwrap();
    assert!(history.epochs().iter().all(|epoch| epoch.skipped == 58));
    assert!(history.step_losses().len() <= 6, "at most two of eight batches had an image");
    let mut learner = with_holes([&all, &[], &[]]).on_error(OnError::Skip);
    let error = learner.fit(1).unwrap_err().to_string();
    assert!(error.contains("train part") && error.contains("60 that were skipped: "), "{error}");
    assert_eq!(learner.history().len(), 0);
}

#[test]
fn a_learner_trains_on_mixed_batches_and_is_measured_on_whole_images() {
    let mix = || RandomMix::new().or(MixUp::new(2).alpha(0.4)).or(CutMix::new(2));
    let run = |workers: usize| {
        let mut learner = learner().loss(cross_entropy()).batch_transform(mix()).workers(workers);
        let history = learner.fit(6).unwrap();
        (learner, history)
    };
    let (learner, history) = run(2);
    let accuracy = learner.evaluate(Split::Test).unwrap().metric("accuracy").unwrap();
    assert!(accuracy > 0.9, "{accuracy}");
    for epoch in history.epochs() {
        assert_eq!(epoch.train_metrics, [], "a mixed image has no right class");
        assert!(epoch.mixed, "the history says so");
        assert_eq!(epoch.valid_metrics.len(), 1);
    }
    let losses = history.step_losses();
    assert_eq!(losses, run(0).1.step_losses(), "whoever loads");
    // What a loop by hand does: the same batches, the shares of the classes as targets.
    let (net, data) = (self::learner(), halves(200));
    let model = net.model().unwrap();
    let mut optimizer = adamw(1e-2).build(&model.parameters()).unwrap();
    let batches = data.train.batches(16).shuffle(Seed(42)).epoch(1).transform(mix());
    for (at, batch) in batches.enumerate() {
        let batch = batch.unwrap();
        let mode = Mode::Train(Seed(42).derive(&format!("epoch 1, step {}", at + 1)));
        let output = model.forward(&batch.images, mode).unwrap();
        let loss = cross_entropy().of(&output, &batch.shares.unwrap()).unwrap();
        optimizer.step(&backward(&loss).unwrap()).unwrap();
        assert_eq!(f64::from(loss.to_scalar::<f32>().unwrap()), losses[at], "step {at}");
    }
    // A setting that changes the batches begins the epoch anew, and shows itself.
    let shown = learner.rich().plain().unwrap().to_owned();
    assert!(shown.contains("batches by") && shown.contains("alpha: 0.4"), "{shown}");
}

#[test]
fn a_mixture_for_other_classes_is_refused_at_the_first_step() {
    let error = learner().batch_transform(MixUp::new(3)).fit(1).unwrap_err().to_string();
    assert!(error.contains("[16, 3]") && error.contains("[16, 2]"), "{error}");
}

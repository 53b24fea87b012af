//! The learner on tasks small enough to check by hand.

use candle_core::{DType, Device, Tensor, Var};
use sconce::data::{DataSplit, Dataset};
use sconce::nn::{Mode, Model, Outputs, Parameter};
use sconce::plot::count;
use sconce::prelude::{Learner, Loss, Net, Seed, Split, accuracy, adamw, cross_entropy, sgd};
use sconce::rich::Rich;
use sconce::{Error, Result};

/// Images of 1 x 4 x 4 with noise, the left half brighter in class 0 and the right half in class 1.
fn halves(images: usize, seed: u64) -> Result<Dataset> {
    let mut rng = Seed(seed).rng();
    let labels: Vec<u32> = (0..images as u32).map(|at| at % 2).collect();
    let mut pixels = Vec::with_capacity(images * 16);
    for &label in &labels {
        for column in (0..4).cycle().take(16) {
            let bright = (column < 2) == (label == 0);
            pixels.push(0.5 * rng.uniform_f32() + if bright { 0.5 } else { 0.0 });
        }
    }
    Dataset::new(Tensor::from_vec(pixels, (images, 1, 4, 4), &Device::Cpu)?, &labels, &["left", "right"])
}

fn parts() -> Result<DataSplit> {
    Ok(DataSplit { train: halves(50, 1)?, valid: halves(20, 2)?, test: halves(30, 3)? })
}

fn net() -> Result<Model> {
    Model::build([1, 4, 4], |x| x.conv2d(4, 3).batch_norm().relu().dropout(0.2).flatten().linear(2))?
        .init(Seed(7), &Device::Cpu)
}

fn learner(seed: u64) -> Result<Learner> {
    Ok(Learner::new(net()?, parts()?)
        .optimizer(adamw(0.02))
        .metric(accuracy())
        .batch_size(16)
        .seed(Seed(seed)))
}

#[test]
fn a_learner_learns() -> Result<()> {
    let mut learner = learner(1)?;
    let history = learner.fit(8)?;
    assert_eq!(history.len(), 8);
    // 50 images in batches of 16: three whole ones and one of two.
    assert_eq!(history.step_losses().len(), 8 * 4);
    let (first, last) = (&history.epochs()[0], &history.epochs()[7]);
    assert_eq!((first.epoch, last.epoch), (1, 8));
    assert!(last.train_loss < 0.5 * first.train_loss, "{} after {}", last.train_loss, first.train_loss);
    assert!(last.valid_loss.is_some_and(|loss| loss < 0.2), "{last:?}");
    assert_eq!(last.valid_metrics, [("accuracy".to_owned(), 1.0)]);
    assert_eq!(learner.evaluate(Split::Test)?.metric("accuracy")?, 1.0);
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_losses_bit_for_bit() -> Result<()> {
    let run = |seed: u64| -> Result<(Vec<f64>, Vec<f32>)> {
        let mut learner = learner(seed)?;
        let losses = learner.fit(3)?.step_losses();
        let weights = learner.net().parameters()[0].var.flatten_all()?.to_vec1()?;
        Ok((losses, weights))
    };
    assert_eq!(run(5)?, run(5)?);
    assert_ne!(run(5)?.0, run(6)?.0, "another order and other dropout");
    Ok(())
}

#[test]
fn two_fits_are_one_fit_in_two_parts() -> Result<()> {
    let (mut whole, mut parted) = (learner(3)?, learner(3)?);
    whole.fit(4)?;
    parted.fit(1)?;
    let history = parted.fit(3)?;
    assert_eq!(history.step_losses(), whole.history().step_losses());
    assert_eq!(history.len(), 4);
    assert_eq!(history.epochs()[3].valid_loss, whole.history().epochs()[3].valid_loss);
    Ok(())
}

#[test]
fn a_learner_is_a_loop_that_one_could_write() -> Result<()> {
    let mut learner = learner(9)?;
    let history = learner.fit(2)?;

    let (net, data) = (net()?, parts()?);
    let mut optimizer = adamw(0.02).build(&net.parameters())?;
    let mut losses = Vec::new();
    for epoch in 1..=2 {
        for (at, batch) in data.train.batches(16).shuffle(Seed(9)).epoch(epoch).enumerate() {
            let batch = batch?;
            let seed = Seed(9).derive(&format!("epoch {epoch}, step {}", at + 1));
            let loss = cross_entropy().of(&net.forward(&batch.images, Mode::Train(seed))?, &batch.labels)?;
            optimizer.step(&loss.backward()?)?;
            losses.push(f64::from(loss.to_scalar::<f32>()?));
        }
    }
    assert_eq!(history.step_losses(), losses);
    Ok(())
}

/// Logits that are the image's pixels times a weight: what it says can be worked out by hand.
struct Pixels {
    weight: Var,
}

impl Net for Pixels {
    fn forward(&self, x: &Tensor, _: Mode) -> Result<Tensor> {
        Ok(x.flatten_from(1)?.broadcast_mul(&self.weight)?) // (B, C * H * W)
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter::new("weight", self.weight.clone())]
    }
}

fn pixels(weight: f32) -> Result<Pixels> {
    Ok(Pixels { weight: Var::new(&[weight], &Device::Cpu)? })
}

/// Five images of 1 x 1 x 3, which are their own logits.
fn triples() -> Result<DataSplit> {
    let rows = [[2.0f32, 0.0, 1.0], [0.0, 3.0, 0.0], [0.0, 1.0, 0.5], [1.0, 0.0, 4.0], [0.0, 0.0, 1.0]];
    let images = Tensor::new(&rows, &Device::Cpu)?.reshape((5, 1, 1, 3))?;
    let data = Dataset::new(images, &[0, 1, 2, 2, 0], &["a", "b", "c"])?;
    Ok(DataSplit { train: data.clone(), valid: data.clone(), test: data })
}

#[test]
fn an_evaluation_is_what_the_hand_counts() -> Result<()> {
    // Batches of two: the last one is smaller and must not weigh more.
    let learner = Learner::new(pixels(1.0)?, triples()?).metric(accuracy()).batch_size(2);
    let evaluation = learner.evaluate(Split::Test)?;
    let image_loss = |row: [f64; 3], class: usize| row.iter().map(|z| z.exp()).sum::<f64>().ln() - row[class];
    let by_hand = (image_loss([2.0, 0.0, 1.0], 0)
        + image_loss([0.0, 3.0, 0.0], 1)
        + image_loss([0.0, 1.0, 0.5], 2)
        + image_loss([1.0, 0.0, 4.0], 2)
        + image_loss([0.0, 0.0, 1.0], 0))
        / 5.0;
    assert!((evaluation.loss() - by_hand).abs() < 1e-6, "{}, not {by_hand}", evaluation.loss());
    assert_eq!(evaluation.metric("accuracy")?, 0.6);
    assert_eq!(evaluation.predicted(), [0, 1, 1, 2, 2]);
    assert_eq!(evaluation.targets(), [0, 1, 2, 2, 0]);
    assert_eq!(evaluation.mistakes(), [2, 4]);
    let confusion = evaluation.confusion_matrix();
    assert_eq!(confusion.counts(), [1, 0, 1, 0, 1, 0, 0, 1, 1]);
    assert_eq!(confusion.class_names(), ["a", "b", "c"]);
    let error = evaluation.metric("f1").expect_err("no such metric").to_string();
    assert!(error.contains("accuracy") && error.contains("f1"), "{error}");
    Ok(())
}

#[test]
fn predictions_are_probabilities_in_the_order_of_the_images() -> Result<()> {
    let learner = Learner::new(pixels(1.0)?, triples()?).batch_size(2);
    let images = learner.data().test.images()?;
    let predictions = learner.predict(&images)?;
    assert_eq!(predictions.labels(), [0, 1, 1, 2, 2]);
    assert_eq!(predictions.names(), ["a", "b", "b", "c", "c"]);
    let rows = predictions.probabilities().to_vec2::<f32>()?;
    let third = [0.0f64, 1.0, 0.5].map(|z| z.exp() / (1.0 + 1f64.exp() + 0.5f64.exp()));
    for (got, wanted) in rows[2].iter().zip(third) {
        assert!((f64::from(*got) - wanted).abs() < 1e-6, "{got}, not {wanted}");
    }
    assert_eq!(predictions.confidence()[2], rows[2][1]);
    let error = learner.predict(&images.get(0)?).expect_err("one image without a batch").to_string();
    assert!(error.contains("unsqueeze(0)"), "{error}");
    assert!(learner.predict(&images.narrow(0, 0, 0)?)?.labels().is_empty());
    Ok(())
}

#[test]
fn a_loss_that_is_no_number_names_the_step_and_what_to_try() -> Result<()> {
    let mut learner = Learner::new(pixels(1.0)?, triples()?)
        .loss(Loss::new("growing", |output, _| Ok((output.sqr()?.sum_all()? * 1e6)?)))
        .optimizer(sgd(1e6))
        .batch_size(2);
    let error = learner.fit(5).expect_err("it diverges").to_string();
    assert!(error.contains("in epoch 1, step 3 of 3"), "{error}");
    assert!(error.contains("lower learning rate"), "{error}");
    assert_eq!(learner.history().step_losses().len(), 2, "the steps before are kept");

    let spoilt =
        Tensor::new(&[[1.0f32, 0.0, 0.0], [0.0, f32::NAN, 0.0]], &Device::Cpu)?.reshape((2, 1, 1, 3))?;
    let data = Dataset::new(spoilt, &[0, 1], &["a", "b", "c"])?;
    let none = || data.subset(&[]);
    let data = DataSplit { valid: none()?, test: none()?, train: data };
    let error = Learner::new(pixels(1.0)?, data).fit(1).expect_err("an image holds NaN").to_string();
    assert!(
        error.contains("Images [1]") && error.contains("NaN in a first look at the train part"),
        "{error}"
    );
    Ok(())
}

#[test]
fn what_does_not_fit_is_said() -> Result<()> {
    let error = |outcome: Result<()>| match outcome {
        Ok(()) => String::new(),
        Err(error) => error.to_string(),
    };
    let with = |learner: Learner| -> Result<()> {
        let mut learner = learner;
        learner.fit(1).map(|_| ())
    };
    let none = halves(0, 1)?;
    let parts = parts()?;
    let untrained = DataSplit { train: none.clone(), ..parts.clone() };
    assert!(error(with(Learner::new(net()?, untrained))).contains("training part"));
    assert!(error(with(Learner::new(net()?, parts.clone()).batch_size(0))).contains("batch size"));
    // A model of another number of classes: labels that are no class of it.
    let one = Model::build([1, 4, 4], |x| x.flatten().linear(1))?.init(Seed(1), &Device::Cpu)?;
    assert!(error(with(Learner::new(one, parts.clone()))).contains("label 1"));
    let three = Model::build([1, 4, 4], |x| x.flatten().linear(3))?.init(Seed(1), &Device::Cpu)?;
    let outcome = Learner::new(three, parts.clone()).evaluate(Split::Test).map(|_| ());
    assert!(error(outcome).contains("linear(2)"));
    let outcome = Learner::new(net()?, DataSplit { test: none, ..parts }).evaluate(Split::Test).map(|_| ());
    assert!(error(outcome).contains("test part"));
    assert!(error(Learner::new(pixels(1.0)?, triples()?).model().map(|_| ())).contains("learner.net()"));
    Ok(())
}

#[test]
fn without_a_validation_part_there_is_no_validation() -> Result<()> {
    let data = DataSplit { valid: halves(0, 1)?, ..parts()? };
    let mut learner = Learner::new(net()?, data).metric(accuracy());
    let history = learner.fit(1)?;
    let epoch = &history.epochs()[0];
    assert_eq!((epoch.valid_loss, epoch.valid_metrics.len(), epoch.train_metrics.len()), (None, 0, 1));
    assert!(history.table().text().contains('–'));
    Ok(())
}

#[test]
fn setters_after_training_take_effect() -> Result<()> {
    let mut learner = learner(1)?;
    assert_eq!(learner.learning_rate(), 0.02);
    learner.fit(1)?;
    learner.set_learning_rate(0.005)?;
    assert_eq!(learner.fit(1)?.epochs()[1].learning_rate, 0.005);
    let mut learner = learner.optimizer(sgd(0.0)).batch_size(50);
    let before = learner.net().parameters()[0].var.flatten_all()?.to_vec1::<f32>()?;
    let history = learner.fit(1)?;
    assert_eq!(history.step_losses().len(), 4 + 4 + 1);
    assert_eq!(learner.net().parameters()[0].var.flatten_all()?.to_vec1::<f32>()?, before);
    Ok(())
}

#[test]
fn everything_shows_itself() -> Result<()> {
    let mut learner = learner(1)?;
    let text = |value: &dyn Rich| value.rich().plain().unwrap_or_default().to_owned();
    assert!(text(&learner).contains("not yet"));
    assert!(text(learner.history()).contains("no training yet"));
    let history = learner.fit(2)?;
    let shown = text(&learner);
    for part in [
        "50 train, 20 valid, 30 test",
        "cross-entropy",
        "adamw, learning rate 0.02",
        "2 epochs",
        "valid accuracy",
    ] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    let bundle = history.rich();
    let mimes: Vec<&str> = bundle.forms.iter().map(|(mime, _)| mime.as_str()).collect();
    assert_eq!(mimes, ["text/plain", "text/html"]);
    let last = &history.epochs()[1];
    for part in [count(last.images_per_second.round() as usize), format!("{:.4}", last.valid_metrics[0].1)] {
        assert!(text(&history).contains(&part), "{part} is missing in\n{}", text(&history));
    }
    assert_eq!(text(&history).lines().count(), 2 + 2, "a head, a rule and a line for each epoch");
    assert!(text(&learner.evaluate(Split::Valid)?).contains("valid part"));
    assert!(text(&learner.predict(&learner.data().test.images()?)?).contains("right"));
    assert_eq!(format!("{learner:?}"), shown);
    Ok(())
}

#[test]
fn a_long_history_stays_readable() -> Result<()> {
    let data = triples()?;
    let mut learner = Learner::new(pixels(0.1)?, data).optimizer(sgd(0.01)).batch_size(1);
    let history = learner.fit(120)?;
    let table = history.table().text();
    assert_eq!(table.lines().count(), 2 + 40);
    assert!(table.lines().nth(2).is_some_and(|line| line.trim_start().starts_with("1 ")));
    assert!(table.lines().last().is_some_and(|line| line.trim_start().starts_with("120 ")));
    // 600 steps are drawn as 120 points, one for each epoch.
    let svg = history.curves().svg()?;
    assert!(svg.len() < 40_000, "{} bytes", svg.len());
    Ok(())
}

#[test]
fn f64_networks_train_too() -> Result<()> {
    struct Double(Var);
    impl Net for Double {
        fn forward(&self, x: &Tensor, _: Mode) -> Result<Tensor> {
            Ok(x.to_dtype(DType::F64)?.flatten_from(1)?.broadcast_mul(&self.0)?)
        }
        fn parameters(&self) -> Vec<Parameter> {
            vec![Parameter::new("scale", self.0.clone())]
        }
    }
    let net = Double(Var::new(&[0.1f64], &Device::Cpu)?);
    let mut learner = Learner::new(net, triples()?).optimizer(adamw(0.1)).metric(accuracy());
    let history = learner.fit(20)?;
    assert!(history.epochs()[19].train_loss < history.epochs()[0].train_loss);
    Ok(())
}

#[test]
fn errors_are_the_librarys_own() -> Result<()> {
    let images = Tensor::zeros((4, 3, 4, 4), DType::F32, &Device::Cpu)?;
    let data = Dataset::new(images, &[0, 1, 0, 1], &["a", "b"])?;
    let data = DataSplit { train: data.clone(), valid: data.clone(), test: data };
    // Three channels into a model of one.
    match Learner::new(net()?, data).fit(1) {
        Err(Error::Shape { got, .. }) => assert!(got.contains('3'), "{got}"),
        other => panic!("{other:?}"),
    }
    Ok(())
}

/// A stem with a head behind it and another one half way.
fn two_heads() -> Result<Model> {
    Model::build_outputs([1, 4, 4], |x| {
        let stem = x.conv2d(4, 3).named("stem").batch_norm().named("norm").relu();
        let auxiliary = stem.global_avg_pool().linear(2).named("aux");
        Outputs::new("logits", stem.conv2d(4, 3).relu().flatten().linear(2).named("fc"))
            .training("aux", auxiliary)
    })?
    .init(Seed(7), &Device::Cpu)
}

#[test]
fn auxiliary_heads_are_trained_with_the_weight_that_was_chosen() -> Result<()> {
    let first_loss = |weight: f64| -> Result<f64> {
        let mut learner = Learner::new(two_heads()?, parts()?).auxiliary_weight(weight).batch_size(50);
        learner.fit(1)?;
        Ok(learner.history().step_losses()[0])
    };
    let [none, some, whole] = [first_loss(0.0)?, first_loss(0.25)?, first_loss(1.0)?];
    assert!(whole > none, "{whole} and {none}");
    assert!((some - (none + 0.25 * (whole - none))).abs() < 1e-6, "{none}, {some}, {whole}");
    let net = two_heads()?;
    let before = net.state()?;
    let mut learner = Learner::new(net.clone(), parts()?).batch_size(16);
    learner.fit(1)?;
    for ((name, before), (_, after)) in before.iter().zip(net.state()?) {
        assert!((before - after)?.abs()?.sum_all()?.to_scalar::<f32>()? > 0.0, "{name} stays");
    }
    let outcome = Learner::new(two_heads()?, parts()?).auxiliary_weight(-1.0).fit(1);
    let message = outcome.map_or_else(|error| error.to_string(), |_| String::new());
    assert!(message.contains("an auxiliary weight of at least 0"), "{message}");
    Ok(())
}

#[test]
fn frozen_layers_stay_as_they_are() -> Result<()> {
    let net = two_heads()?;
    net.freeze("stem.*")?;
    net.freeze("norm.*")?;
    let before = net.state()?;
    Learner::new(net.clone(), parts()?).batch_size(16).fit(2)?;
    for ((name, before), (_, after)) in before.iter().zip(net.state()?) {
        let moved = (before - after)?.abs()?.sum_all()?.to_scalar::<f32>()? > 0.0;
        // The running statistics too.
        assert_eq!(moved, !name.starts_with("stem") && !name.starts_with("norm"), "{name}");
    }
    Ok(())
}

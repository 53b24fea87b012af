//! Learning from a teacher: the same steps as by hand, answers that are kept, trainings that go on, and what is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{Device, Tensor};
use sconce::Result;
use sconce::data::{DataSplit, Dataset};
use sconce::losses::{DecoupledDistillation, distillation};
use sconce::optim::{Accumulation, sgd};
use sconce::prelude::{
    Learner, LrFindConfig, Mode, Model, Seed, Split, Value, adamw, backward, cross_entropy,
};
use sconce::train::{Net, Teacher, Term};
use sconce::transforms::{MixUp, Normalize, RandomHorizontalFlip};

use crate::resume::resumed;
use crate::small::{bits, columns, learner, net, parts};

/// A model with nodes to look at, of so many channels.
fn deep(channels: usize, classes: usize, seed: u64) -> Result<Model> {
    let layers = |x: Value| {
        let x = x.conv2d(channels, 3).batch_norm().relu().named("low");
        let x = x.max_pool2d(2).conv2d(2 * channels, 3).batch_norm().relu().named("high");
        x.global_avg_pool().named("vector").linear(classes)
    };
    Model::build([1, 4, 4], layers)?.init(Seed(seed), &Device::Cpu)
}

fn student(teacher: Teacher) -> Result<Learner> {
    let learner = Learner::new(deep(2, 3, 7)?, parts()?).optimizer(adamw(0.01)).batch_size(8).seed(Seed(3));
    Ok(learner.teacher(teacher))
}

fn everything() -> Result<Teacher> {
    let decoupled = DecoupledDistillation { others: 2.0, ..DecoupledDistillation::default() };
    Ok(Teacher::new(deep(5, 3, 1)?)
        .term(Term::logits(4.0).weight(0.9))
        .term(Term::decoupled(decoupled).weight(0.5))
        .term(Term::features("low", "low"))
        .term(Term::features("vector", "vector"))
        .term(Term::features("high", "low").weight(0.1))
        .term(Term::attention("high", "high")))
}

/// What the last epoch says of a term.
fn term(learner: &Learner, name: &str) -> f64 {
    let metrics = &learner.history().last().unwrap().train_metrics;
    metrics.iter().find(|(known, _)| known == name).unwrap().1
}

#[test]
fn a_fit_is_the_loop_that_one_would_write_by_hand() -> Result<()> {
    let big = deep(5, 3, 1)?;
    let decoupled = DecoupledDistillation::default();
    let teacher = Teacher::new(big.clone())
        .labels(0.25)
        .term(Term::logits(2.0).weight(0.75))
        .term(Term::decoupled(decoupled).weight(0.5))
        .keep(0);
    let mut learner = Learner::new(net()?, parts()?).optimizer(sgd(0.05)).batch_size(8).seed(Seed(3));
    learner = learner.teacher(teacher).accumulate(2);
    learner.fit(2)?;

    let (small, data) = (net()?, parts()?);
    let mut optimizer = sgd(0.05).build(&small.parameters())?;
    let mut sum = Accumulation::new(&small.parameters());
    let mut losses = Vec::new();
    for epoch in [1, 2] {
        for (at, batch) in data.train.batches(8).shuffle(Seed(3)).epoch(epoch).enumerate() {
            let batch = batch?;
            let mode = Mode::Train(Seed(3).derive(&format!("epoch {epoch}, step {}", at + 1)));
            let output = small.forward(&batch.images, mode)?;
            let answer = big.forward(&batch.images, Mode::Eval)?;
            let labels = cross_entropy().of(&output, &batch.labels)?;
            losses.push(f64::from(labels.to_scalar::<f32>()?));
            let soft = distillation(2.0).of(&output, &answer)?;
            let apart = decoupled.of(&output, &answer, &batch.labels)?;
            sum.add(backward(&(((labels * 0.25)? + (soft * 0.75)?)? + (apart * 0.5)?)?)?, batch.len())?;
            if sum.passes() == 2 {
                optimizer.step(&sum.take()?)?;
            }
        }
    }
    // The loss of the labels is what the history has, and what may be compared with the validation's.
    assert_eq!(learner.history().step_losses(), losses);
    let by_hand = Learner::new(small, data);
    assert_eq!(bits(&learner)?, bits(&by_hand)?);
    Ok(())
}

/// Counts how often it is asked.
struct Counted {
    model: Model,
    asked: Arc<AtomicUsize>,
}

impl Net for Counted {
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        assert_eq!(mode, Mode::Eval);
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.model.forward(x, mode)
    }

    fn parameters(&self) -> Vec<sconce::nn::Parameter> {
        self.model.parameters()
    }
}

/// How often a teacher is asked in three epochs of six batches, and what was learnt.
fn asked(keep: usize, change: impl Fn(Learner) -> Learner, train: Dataset) -> Result<(usize, Vec<f64>)> {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Counted { model: deep(5, 3, 1)?, asked: Arc::clone(&asked) };
    let data = DataSplit { train, ..parts()? };
    let learner = Learner::new(net()?, data).optimizer(sgd(0.05)).batch_size(8).seed(Seed(3));
    let mut learner = change(learner.teacher(Teacher::new(counted).term(Term::logits(4.0)).keep(keep)));
    learner.fit(2)?;
    learner.fit(1)?;
    Ok((asked.load(Ordering::Relaxed), learner.history().step_losses()))
}

#[test]
fn a_teacher_is_asked_once_where_its_answers_stay_the_same() -> Result<()> {
    let same = |learner| learner;
    let plain = columns(44, 1)?;
    // The first look asks once more, for the validation part.
    let (once, kept) = asked(44 * 3 * 4, same, plain.clone())?;
    assert_eq!(once, 1 + 6);
    // A byte too little. One batch was asked about to see that.
    let (each_time, losses) = asked(44 * 3 * 4 - 1, same, plain.clone())?;
    assert_eq!(each_time, 1 + 1 + 18);
    for (one, other) in kept.iter().zip(&losses) {
        assert!((one - other).abs() < 1e-4, "{one}, not {other}");
    }
    let enough = 1 << 20;
    assert_eq!(asked(enough, same, plain.transform(Normalize::new(&[0.5], &[0.5])))?.0, 1 + 6);
    assert_eq!(asked(enough, same, plain.transform(RandomHorizontalFlip::default()))?.0, 1 + 18);
    let mixing = |learner: Learner| learner.batch_transform(MixUp::new(3).alpha(0.4));
    assert_eq!(asked(enough, mixing, plain)?.0, 1 + 18);
    Ok(())
}

#[test]
fn a_training_with_a_teacher_goes_on_after_any_step() -> Result<()> {
    for steps in [1, 7, 12] {
        resumed(&|| Ok(student(everything()?)?.accumulate(2).ema(0.9)), steps)?;
    }
    // Answers that are not kept, of mixed images.
    resumed(&|| Ok(student(everything()?)?.batch_transform(MixUp::new(3).alpha(0.4))), 9)?;
    // A file without the projections that this teacher needs.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training.safetensors");
    let mut other = student(Teacher::new(deep(5, 3, 1)?).term(Term::logits(4.0)))?;
    other.fit(1)?;
    other.save(&path)?;
    let error = student(everything()?)?.load(&path).unwrap_err().to_string();
    assert!(error.contains("teacher.projection_1.weight"), "{error}");
    Ok(())
}

#[test]
fn each_term_gets_smaller_when_it_is_learnt() -> Result<()> {
    let terms = [
        Term::logits(4.0),
        Term::decoupled(DecoupledDistillation::default()),
        Term::features("low", "low"),
        Term::features("high", "low"),
        Term::features("vector", "high_vector"),
        Term::attention("high", "high"),
    ];
    for learnt in terms {
        let name = learnt.name();
        // Its node is called otherwise in the teacher.
        let layers = |x: Value| {
            let x = x.conv2d(5, 3).batch_norm().relu().named("low");
            let x = x.max_pool2d(2).conv2d(10, 3).batch_norm().relu().named("high");
            x.global_avg_pool().named("high_vector").linear(3)
        };
        let big = Model::build([1, 4, 4], layers)?.init(Seed(1), &Device::Cpu)?;
        Learner::new(big.clone(), parts()?).optimizer(adamw(0.01)).batch_size(8).fit(10)?;
        let mut learner = student(Teacher::new(big).labels(0.0).term(learnt))?;
        learner.fit(1)?;
        let before = term(&learner, &name);
        learner.fit(25)?;
        let after = term(&learner, &name);
        assert!(after < 0.8 * before, "{name}: {after} after {before}");
    }
    Ok(())
}

#[test]
fn a_term_of_a_node_reaches_what_is_before_it_only() -> Result<()> {
    let teacher = Teacher::new(deep(5, 3, 1)?).labels(0.0).term(Term::features("low", "low"));
    let mut learner =
        Learner::new(deep(2, 3, 7)?, parts()?).optimizer(sgd(0.05)).batch_size(8).teacher(teacher);
    learner.fit(1)?;
    let before = Learner::new(deep(2, 3, 7)?, parts()?);
    for ((name, trained), (_, fresh)) in bits(&learner)?.into_iter().zip(bits(&before)?) {
        let buffer = name.contains("running");
        let first = name.starts_with("conv2d_1") || name.starts_with("batch_norm_1");
        let bias_of_conv = name == "conv2d_1.bias";
        if !buffer && !bias_of_conv {
            assert_eq!(trained != fresh, first, "{name}");
        }
    }
    Ok(())
}

#[test]
fn a_search_leaves_the_projections_as_they_were() -> Result<()> {
    let (mut plain, mut searched) = (student(everything()?)?, student(everything()?)?);
    searched.lr_find(LrFindConfig { start: 1e-3, end: 1.0, steps: 10, ..LrFindConfig::default() })?;
    searched.overfit_one_batch(3)?;
    let (one, other) = (plain.fit(2)?, searched.fit(2)?);
    assert_eq!(one.step_losses(), other.step_losses());
    assert_eq!(bits(&plain)?, bits(&searched)?);
    Ok(())
}

#[test]
fn the_history_and_the_learner_tell_of_a_teacher() -> Result<()> {
    let mut learner = student(everything()?)?.batch_transform(MixUp::new(3).alpha(0.4));
    let history = learner.fit(2)?;
    let names: Vec<&str> = history.epochs()[1].train_metrics.iter().map(|(name, _)| name.as_str()).collect();
    let wanted = [
        "logits",
        "decoupled",
        "features low to low",
        "features vector to vector",
        "features high to low",
        "attention high to high",
    ];
    assert_eq!(names, wanted);
    assert!(history.to_csv().lines().next().unwrap().contains("train_features low to low"));
    let told = format!("{learner:?}");
    assert!(told.contains("1 labels, 0.9 logits at temperature 4"), "{told}");
    assert!(learner.evaluate(Split::Test)?.loss().is_finite());
    // The projections are no part of the model.
    assert_eq!(learner.model()?.num_parameters(), deep(2, 3, 7)?.num_parameters());
    Ok(())
}

#[test]
fn nodes_of_a_teacher_of_other_classes_can_be_learnt() -> Result<()> {
    // Trained on a thousand classes, say: its logits say nothing to the student, its features do.
    let teacher = Teacher::new(deep(5, 4, 1)?).labels(0.0);
    let mut learner =
        student(teacher.term(Term::features("low", "low")).term(Term::attention("high", "high")))?;
    learner.fit(1)?;
    let before = term(&learner, "features low to low");
    learner.fit(20)?;
    assert!(term(&learner, "features low to low") < 0.9 * before);
    Ok(())
}

/// A net of one's own.
struct Own(Model);

impl Net for Own {
    fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        self.0.forward(x, mode)
    }

    fn parameters(&self) -> Vec<sconce::nn::Parameter> {
        self.0.parameters()
    }
}

#[test]
fn what_cannot_be_taught_is_named() -> Result<()> {
    let big = || deep(5, 3, 1);
    let own = student(Teacher::new(big()?))?;
    let shared = own.model()?.clone();
    let cases: Vec<(Teacher, &[&str])> = vec![
        (Teacher::new(big()?), &["at least one term"]),
        (Teacher::new(big()?).term(Term::logits(0.0)), &["temperature above 0", "got 0"]),
        (Teacher::new(big()?).term(Term::logits(f64::NAN)), &["temperature above 0"]),
        (
            Teacher::new(big()?).term(Term::decoupled(DecoupledDistillation {
                target: -1.0,
                ..DecoupledDistillation::default()
            })),
            &["weight of the target", "-1"],
        ),
        (Teacher::new(big()?).term(Term::logits(1.0).weight(-2.0)), &["logits", "-2"]),
        (Teacher::new(big()?).term(Term::logits(1.0)).labels(f64::INFINITY), &["labels", "inf"]),
        (Teacher::new(big()?).term(Term::logits(1.0)).term(Term::logits(2.0)), &["\"logits\" twice"]),
        (Teacher::new(deep(5, 4, 1)?).term(Term::logits(1.0)), &["3 classes", "of 4"]),
        (Teacher::new(Own(deep(5, 4, 1)?)).term(Term::logits(1.0)), &["3 classes", "of 4"]),
        (Teacher::new(big()?).term(Term::features("lo", "low")), &["student", "low, ", "\"lo\""]),
        (Teacher::new(big()?).term(Term::features("low", "lo")), &["teacher", "low, ", "\"lo\""]),
        (Teacher::new(big()?).term(Term::features("low", "vector")), &["[2, 4, 4]", "[10]"]),
        (Teacher::new(big()?).term(Term::attention("vector", "vector")), &["[4]", "[10]"]),
        (Teacher::new(Own(big()?)).term(Term::features("low", "low")), &["model graph", "teacher"]),
        (Teacher::new(shared.clone()).term(Term::logits(1.0)), &["copy_of", "conv2d_1.weight"]),
    ];
    for (teacher, named) in cases {
        let mut learner = Learner::new(shared.clone(), parts()?).batch_size(8).teacher(teacher);
        let error = learner.fit(1).unwrap_err().to_string();
        assert!(named.iter().all(|named| error.contains(named)), "{error} should name {named:?}");
        assert!(learner.history().is_empty());
    }
    let copy = Teacher::copy_of(&shared)?.term(Term::logits(1.0));
    Learner::new(shared, parts()?).batch_size(8).teacher(copy).fit(1)?;
    let mut own = Learner::new(Own(big()?), parts()?)
        .batch_size(8)
        .teacher(Teacher::new(deep(5, 3, 2)?).term(Term::features("low", "low")));
    let error = own.fit(1).unwrap_err().to_string();
    assert!(error.contains("model graph") && error.contains("student"), "{error}");
    // Without a teacher again: a learner as any other.
    learner()?.fit(1)?;
    Ok(())
}

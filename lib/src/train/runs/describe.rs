//! What a learner is set up with, as facts.

use sha2::{Digest as _, Sha256};

use super::facts::{Facts, taken_apart};
use crate::Result;
use crate::data::{Dataset, Split};
use crate::train::Learner;

/// Sections of everything that a learner's results follow from, but for the data's content and the machine.
pub(super) fn settings(learner: &Learner) -> Vec<(String, Facts)> {
    let metrics: Vec<&str> = learner.metrics.iter().map(|metric| metric.name()).collect();
    let mut training: Facts = vec![
        ("seed".into(), learner.seed.0.to_string()),
        ("batch_size".into(), learner.batch_size.to_string()),
        ("on_error".into(), format!("{:?}", learner.on_error)),
        ("metrics".into(), metrics.join(", ")),
        ("auxiliary_weight".into(), format!("{:?}", learner.auxiliary_weight)),
        ("accumulate".into(), learner.accumulate.to_string()),
        ("precision".into(), format!("{:?}", learner.precision)),
    ];
    if let Some(scheduled) = &learner.schedule {
        taken_apart(&format!("{:?}", scheduled.schedule), "schedule", &mut training);
        training.push(("schedule_counts".into(), format!("{:?}s", scheduled.unit).to_lowercase()));
    }
    if let Some((plateau, monitor)) = &learner.plateau {
        taken_apart(&format!("{plateau:?}"), "plateau", &mut training);
        taken_apart(&format!("{monitor:?}"), "plateau_of", &mut training);
    }
    if let Some(clipping) = &learner.clipping {
        training.push(("clipping".into(), format!("{clipping:?}")));
    }
    if let Some(decay) = learner.ema_decay {
        training.push(("ema_decay".into(), format!("{decay:?}")));
    }
    if let Some(teacher) = &learner.teacher {
        training.extend(teacher.facts());
    }
    if let Some(sampler) = &learner.sampler {
        training.push(("sampler".into(), sampler.to_string()));
    }
    for (at, transform) in learner.batch_transforms.iter().enumerate() {
        training.push((format!("batch_transform_{}", at + 1), format!("{transform:?}")));
    }
    let mut optimizer: Facts = vec![("name".into(), learner.config.name().into())];
    taken_apart(&format!("{:?}", learner.config), "", &mut optimizer);
    // Which kind it is, its name says.
    optimizer.retain(|(name, _)| name != "kind");
    for (name, _) in &mut optimizer {
        if let Some(own) = name.strip_prefix("kind.") {
            *name = own.to_owned();
        }
    }
    let rate = learner.learning_rate();
    if rate != learner.config.learning_rate() {
        optimizer.push(("learning_rate_at_begin".into(), format!("{rate:?}")));
    }
    let mut loss: Facts = vec![("name".into(), learner.loss.name().into())];
    if !learner.loss.settings().is_empty() {
        taken_apart(learner.loss.settings(), "", &mut loss);
    }
    let named = |(name, facts): (&str, Facts)| (name.to_owned(), facts);
    let sections =
        [("model", model(learner)), ("loss", loss), ("optimizer", optimizer), ("training", training)];
    sections.map(named).into()
}

fn model(learner: &Learner) -> Facts {
    let parameters = learner.net.parameters();
    let numbers: usize = parameters.iter().map(|parameter| parameter.var.elem_count()).sum();
    let digest = Sha256::digest(text_of_model(learner));
    vec![
        ("parameters".into(), numbers.to_string()),
        ("tensors".into(), parameters.len().to_string()),
        ("layers".into(), digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()),
    ]
}

/// The layers of a model graph; of a net of one's own, its parameters.
pub(super) fn text_of_model(learner: &Learner) -> String {
    if let Some(model) = learner.net.as_model() {
        return model.summary().text();
    }
    let parameters = learner.net.parameters();
    let lines = parameters.iter().map(|parameter| format!("{} {:?}\n", parameter.name, parameter.var.dims()));
    lines.collect()
}

/// What the data are, each part by itself.
pub(super) fn data(learner: &Learner) -> Result<Facts> {
    let data = learner.data();
    let mut facts = vec![("name".into(), data.train.name().to_owned())];
    facts.push(("classes".into(), data.train.num_classes().to_string()));
    for split in [Split::Train, Split::Valid, Split::Test] {
        let part: &Dataset = data.part(split);
        facts.push((format!("{split}_images"), part.len().to_string()));
        facts.push((format!("{split}_fingerprint"), part.fingerprint()?));
        for (at, transform) in part.transforms().into_iter().enumerate() {
            facts.push((format!("{split}_transform_{}", at + 1), transform));
        }
    }
    Ok(facts)
}

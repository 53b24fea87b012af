//! What an evaluation has to say beside its loss: any metric, intervals, reports, curves, the worst images.

use candle_core::{Device, Tensor, Var};
use sconce::data::{DataSplit, Dataset};
use sconce::metrics::{Average, Confidence, Metric, accuracy, f1, mcc, roc_auc};
use sconce::nn::{Mode, Parameter};
use sconce::rich::Rich;
use sconce::train::{Evaluation, Learner, MisclassifiedConfig, MistakenPair, Net, Split, Sureness};
use sconce::{Result, Seed};

/// Logits that are the image's pixels.
struct Pixels(Var);

impl Net for Pixels {
    fn forward(&self, x: &Tensor, _: Mode) -> Result<Tensor> {
        Ok(x.flatten_from(1)?.broadcast_mul(&self.0)?) // (B, C * H * W)
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter::new("weight", self.0.clone())]
    }
}

/// Images of 1 x 1 x 3, which are their own logits, in batches of four.
fn learner(rows: &[[f32; 3]], labels: &[u32]) -> Learner {
    let images = Tensor::from_slice(rows.as_flattened(), (rows.len(), 1, 1, 3), &Device::Cpu).unwrap();
    let data = Dataset::new(images, labels, &["cat", "dog", "bird"]).unwrap();
    let data = DataSplit { train: data.clone(), valid: data.clone(), test: data };
    Learner::new(Pixels(Var::new(&[1f32], &Device::Cpu).unwrap()), data).batch_size(4)
}

const ROWS: [[f32; 3]; 6] =
    [[2.0, 0.0, 1.0], [0.0, 3.0, 0.0], [0.0, 1.0, 0.5], [1.0, 0.0, 4.0], [0.0, 0.0, 1.0], [0.0, 5.0, 0.0]];
const LABELS: [u32; 6] = [0, 1, 2, 2, 0, 2];

fn evaluation(metrics: Vec<Metric>) -> Evaluation {
    metrics.into_iter().fold(learner(&ROWS, &LABELS), Learner::metric).evaluate(Split::Test).unwrap()
}

fn text(value: &dyn Rich) -> String {
    value.rich().plain().unwrap().to_owned()
}

#[test]
fn any_metric_can_be_asked_for_later() {
    let evaluation = evaluation(vec![accuracy(), f1(Average::Macro)]);
    assert_eq!(evaluation.logits().unwrap().to_vec2::<f32>().unwrap(), ROWS);
    assert_eq!(evaluation.score(accuracy()).unwrap(), 0.5);
    for name in ["accuracy", "f1_macro"] {
        let metric = if name == "accuracy" { accuracy() } else { f1(Average::Macro) };
        assert_eq!(evaluation.score(metric).unwrap(), evaluation.metric(name).unwrap(), "{name}");
    }
    // What the metric held before plays no part.
    let mut used = accuracy();
    let wrong = Tensor::new(&[[0f32, 1.0, 0.0]], &Device::Cpu).unwrap();
    used.update(&wrong, &Tensor::new(&[0u32], &Device::Cpu).unwrap()).unwrap();
    assert_eq!(evaluation.score(used).unwrap(), 0.5);
    let error = evaluation.metric("mcc").unwrap_err().to_string();
    assert!(error.contains("f1_macro") && error.contains("evaluation.score"), "{error}");
}

#[test]
fn a_class_that_is_missing_in_a_part_is_named() {
    let learner = learner(&ROWS[..3], &[0, 1, 0]).metric(roc_auc(Average::Macro));
    let error = learner.evaluate(Split::Test).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("roc_auc_macro on the test part"), "{error}");
    assert!(
        error.contains("0 of class 2 and 3 of others") && error.contains("class 2 is \"bird\""),
        "{error}"
    );
    let without = self::learner(&ROWS[..3], &[0, 1, 0]).evaluate(Split::Test).unwrap();
    let error = without.score(roc_auc(Average::Class(2))).unwrap_err().to_string();
    assert!(error.contains("on the test part") && error.contains("bird"), "{error}");
    let curves = text(&without.roc_curve().unwrap());
    assert!(curves.contains("no curve without samples of a class and others: bird"), "{curves}");
    assert!(without.precision_recall_curve().unwrap().by_class()[2].1.is_none());
}

#[test]
fn intervals_are_shown_when_asked_for() {
    let plain = evaluation(vec![accuracy(), mcc()]);
    assert!(plain.intervals().is_empty() && !text(&plain).contains("resamples"));
    let confidence = Confidence { resamples: 200, seed: Seed(3), ..Confidence::default() };
    let shown = plain.clone().with_intervals(confidence).unwrap();
    let wanted = plain.interval(accuracy(), confidence).unwrap();
    assert_eq!(shown.intervals()[0], wanted);
    assert!(wanted.low < 0.5 && wanted.high > 0.5 && wanted.value == 0.5, "{wanted:?}");
    let table = text(&shown);
    for part in ["in 95.0 % of resamples", &wanted.range(), "mcc"] {
        assert!(table.contains(part), "{part} is missing in\n{table}");
    }
    assert_ne!(plain, shown);
    assert_eq!(plain.clone(), plain);
    assert_eq!(evaluation(vec![accuracy(), mcc()]), plain);
    assert_ne!(evaluation(vec![accuracy()]), plain);
}

#[test]
fn classes_are_reported_one_by_one() {
    let evaluation = evaluation(Vec::new());
    let report = evaluation.class_report();
    let bird = report.by_class()[2].1;
    assert_eq!((bird.precision(), bird.recall(), bird.support()), (Some(0.5), Some(1.0 / 3.0), 3));
    assert!(text(&report).contains("macro mean"));
    let confused = evaluation.most_confused(1);
    assert_eq!(confused.len(), 1);
    let line = confused.text().lines().last().unwrap().to_owned();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["bird", "dog", "2", "66.7", "%"], "{line}");
    assert_eq!(evaluation.most_confused(9).len(), 2);
}

#[test]
fn the_worst_images_are_shown_with_what_was_said() {
    let evaluation = evaluation(Vec::new());
    let worst = evaluation.top_losses(2).unwrap();
    let loss = |row: [f32; 3], class: usize| {
        row.iter().map(|&z| f64::from(z).exp()).sum::<f64>().ln() - f64::from(row[class])
    };
    let [first, second] = worst.images() else { panic!("two images") };
    assert_eq!((first.index, first.target, first.predicted), (5, 2, 1));
    assert!((first.loss - loss(ROWS[5], 2)).abs() < 1e-12 && (second.loss - loss(ROWS[4], 0)).abs() < 1e-12);
    assert!((first.probability - (-loss(ROWS[5], 1)).exp()).abs() < 1e-12);
    assert!(first.loss > second.loss && second.index == 4);
    let shown = text(&worst);
    for part in ["bird", "98.7 %", "5.013"] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    assert_eq!(worst.grid().len(), 2);
    let mimes: Vec<String> = worst.rich().forms.into_iter().map(|(mime, _)| mime).collect();
    assert_eq!(mimes, ["text/plain", "text/html", "image/png"]);
    assert!(worst.grid().svg().unwrap().contains("bird → dog 98.7 %"));
    assert_eq!(evaluation.top_losses(99).unwrap().images().len(), 6);
    assert!(evaluation.top_losses(0).unwrap().grid().is_empty());
}

#[test]
fn a_mean_of_the_losses_is_the_loss() {
    let evaluation = evaluation(Vec::new());
    let all = evaluation.top_losses(6).unwrap();
    let mean = all.images().iter().map(|image| image.loss).sum::<f64>() / 6.0;
    assert!((mean - evaluation.loss()).abs() < 1e-6, "{mean}, not {}", evaluation.loss());
    let diagram = text(&evaluation.reliability_diagram().unwrap());
    assert!(diagram.contains("50.0 % right"), "{diagram}");
}

#[test]
fn what_the_model_gets_wrong_is_shown_by_how_sure_it_was() {
    let evaluation = evaluation(Vec::new());
    // Image 2, a bird, is taken for a dog with e / (1 + e + e^0.5) = 50.6 %; image 4, a cat, for a bird with
    // e / (2 + e) = 57.6 %; image 5, a bird, for a dog with e^5 / (2 + e^5) = 98.7 %.
    let all = evaluation.misclassified(MisclassifiedConfig::default()).unwrap();
    let order =
        |shown: &[sconce::train::JudgedImage]| shown.iter().map(|image| image.index).collect::<Vec<_>>();
    assert_eq!((order(all.images()), all.total(), all.grid().len()), (vec![5, 4, 2], 3, 3));
    let wanted = [5f64.exp() / (2.0 + 5f64.exp()), 1f64.exp() / (2.0 + 1f64.exp())];
    for (image, wanted) in all.images().iter().zip(wanted) {
        assert!((image.probability - wanted).abs() < 1e-12, "{image:?}, not {wanted}");
    }
    assert!(all.grid().svg().unwrap().contains("cat → bird 57.6 %"));
    let shown = text(&all);
    for part in ["3 of 6 images wrong, 3 shown", "98.7 %", "50.6 %"] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    let least =
        MisclassifiedConfig { most: 2, order: Sureness::LeastFirst, ..MisclassifiedConfig::default() };
    let least = evaluation.misclassified(least).unwrap();
    assert_eq!((order(least.images()), least.total()), (vec![2, 4], 3));
    let pair = |target, predicted| MisclassifiedConfig {
        most: 1,
        pair: Some(MistakenPair { target, predicted }),
        ..MisclassifiedConfig::default()
    };
    let birds = evaluation.misclassified(pair(2, 1)).unwrap();
    assert_eq!((order(birds.images()), birds.total()), (vec![5], 2));
    let shown = text(&birds);
    assert!(shown.contains("2 of 6 images wrong in this way, 1 shown"), "{shown}");
    assert!(birds.grid().svg().unwrap().contains("bird taken for dog"));
    // Nothing is wrong in this way; that is no error.
    assert!(evaluation.misclassified(pair(0, 1)).unwrap().grid().is_empty());
    for (refused, why) in [(pair(0, 3), "below 3"), (pair(1, 1), "two different classes")] {
        let error = evaluation.misclassified(refused).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn many_images_are_bounded_in_pictures_and_table() {
    let rows: Vec<[f32; 3]> = (0..300).map(|at| [0.0, at as f32 / 100.0, 0.0]).collect();
    let evaluation = learner(&rows, &[0; 300]).evaluate(Split::Test).unwrap();
    let worst = evaluation.top_losses(300).unwrap();
    assert_eq!((worst.images().len(), worst.grid().len(), worst.table().len()), (300, 256, 51));
    assert!(text(&worst).contains("and 250 more"));
    assert!(worst.grid().text().contains("the first 256 of 300"), "{}", worst.grid().text());
    // The first image ties, so that its class is right.
    let all = MisclassifiedConfig { most: 1000, ..MisclassifiedConfig::default() };
    let wrong = evaluation.misclassified(all).unwrap();
    assert_eq!((wrong.total(), wrong.images().len(), wrong.images()[0].index), (299, 299, 299));
    assert_eq!((wrong.grid().len(), wrong.table().len()), (256, 51));
}

//! Curves, diagrams and reports: their points against scikit-learn, their words and pictures.

use candle_core::{DType, Device, Tensor};
use sconce::metrics::{
    Average, CalibrationConfig, ConfusionCounts, RankingCurves, calibration_error, precision_recall_curves,
    reliability_diagram, roc_curves,
};
use sconce::rich::Rich;

use crate::fixture::{cases, metric, tensor};

fn two() -> (Tensor, Tensor, serde_json::Value) {
    let case = cases()["classes"]["two"].clone();
    (tensor(&case["logits"], DType::F32), tensor(&case["targets"], DType::U32), case)
}

fn five() -> (Tensor, Tensor) {
    let case = &cases()["classes"]["five"];
    (tensor(&case["logits"], DType::F32), tensor(&case["targets"], DType::U32))
}

#[test]
fn curves_are_those_of_scikit_learn() {
    let (logits, targets, case) = two();
    let names = ["no", "yes"];
    let roc = roc_curves(&logits, &targets, &names).unwrap();
    let precision_recall = precision_recall_curves(&logits, &targets, &names).unwrap();
    for (curves, wanted, area) in
        [(&roc, "roc", "roc_auc_macro"), (&precision_recall, "precision_recall", "average_precision_class_1")]
    {
        let points = curves.points("yes").unwrap();
        let wanted = case["curves"][wanted].as_array().unwrap();
        assert_eq!(points.len(), wanted.len());
        for (point, wanted) in points.iter().zip(wanted) {
            let off = (point.x - wanted[0].as_f64().unwrap())
                .abs()
                .max((point.y - wanted[1].as_f64().unwrap()).abs());
            assert!(off < 1e-12, "{point:?}, not {wanted}");
        }
        assert!(points.windows(2).all(|pair| pair[0].threshold > pair[1].threshold));
        let [(name, got)] = curves.by_class()[..] else { panic!("one curve for two classes") };
        let mut metric = metric(area);
        metric.update(&logits, &targets).unwrap();
        assert_eq!((name, got), ("yes", Some(metric.value().unwrap())), "{area}");
        assert!(curves.points("no").is_none());
    }
}

#[test]
fn many_classes_are_drawn_as_far_as_they_can_be_told_apart() {
    let (logits, targets) = five();
    let names = ["a", "b", "c", "d", "e"];
    let shown = |curves: &RankingCurves| {
        let bundle = curves.rich();
        assert!(bundle.forms.iter().any(|(mime, _)| mime == "text/html"));
        (curves.svg().unwrap(), bundle.plain().unwrap().to_owned())
    };
    let (svg, text) = shown(&roc_curves(&logits, &targets, &names).unwrap());
    for part in ["false positive rate", "chance"] {
        assert!(svg.contains(part), "{part}");
    }
    assert!(text.contains("ROC AUC") && text.contains("0.806"), "{text}");

    // Eight classes, of which two have no sample.
    let eight = Tensor::cat(&[&logits, &logits.narrow(1, 0, 3).unwrap()], 1).unwrap();
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let eight_targets: Vec<u32> = (0..97).map(|at| if at % 7 == 6 { 0 } else { at % 7 }).collect();
    let targets = Tensor::new(eight_targets, &Device::Cpu).unwrap();
    let curves = roc_curves(&eight, &targets, &names).unwrap();
    assert_eq!(curves.by_class()[6], ("g", None));
    let (svg, text) = shown(&curves);
    assert!(text.contains("no curve without samples of a class and others: g, h"), "{text}");
    assert!(!svg.contains("the 6 of"), "six have a curve");
    assert!(roc_curves(&eight, &targets, &["a"]).unwrap_err().to_string().contains("8 class names"));
    let none = eight.narrow(0, 0, 0).unwrap();
    assert!(roc_curves(&none, &targets.narrow(0, 0, 0).unwrap(), &names).is_err());
}

#[test]
fn a_reliability_diagram_holds_what_its_error_sums_up() {
    let (logits, targets) = five();
    let diagram = reliability_diagram(&logits, &targets, 15).unwrap();
    let all: u64 = diagram.bins().iter().map(|bin| bin.count).sum();
    let gaps = diagram.bins().iter().map(|bin| bin.count as f64 * (bin.accuracy - bin.confidence).abs());
    let mut metric = calibration_error(CalibrationConfig::default());
    metric.update(&logits, &targets).unwrap();
    assert_eq!(all, 97);
    assert!((gaps.sum::<f64>() / all as f64 - metric.value().unwrap()).abs() < 1e-12);
    let text = diagram.rich().plain().unwrap().to_owned();
    for part in ["calibration error 0.2712", "76.3 % right", "0.8667 to 0.9333"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(diagram.svg().unwrap().contains("how sure"));
    assert!(reliability_diagram(&logits, &targets, 0).is_err());
}

#[test]
fn a_report_has_a_line_for_each_class_and_the_means() {
    let mut counts = ConfusionCounts::new(4);
    // cat: 3 of 4 found; dog: found once, once falsely; bird: missed; the last occurs nowhere.
    counts.record(&[0, 0, 0, 0, 1, 2], &[0, 0, 0, 1, 1, 1]).unwrap();
    let report = counts.report(&["cat", "dog", "bird", "fish"]).unwrap();
    let [cat, dog, bird, fish] = report.by_class()[..] else { panic!("four classes") };
    assert_eq!((cat.1.precision(), cat.1.recall(), cat.1.support()), (Some(1.0), Some(0.75), 4));
    assert_eq!((dog.1.precision(), dog.1.recall()), (Some(1.0 / 3.0), Some(1.0)));
    assert_eq!((bird.1.precision(), bird.1.recall(), bird.1.f1()), (Some(0.0), Some(0.0), Some(0.0)));
    assert_eq!((fish.0, fish.1.f1(), fish.1.is_absent()), ("fish", None, true));
    let close = |got: [f64; 3], wanted: [f64; 3]| got.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-12);
    let f1 = [2.0 * 0.75 / 1.75, 0.5, 0.0];
    let means = [(4.0 / 3.0) / 3.0, 1.75 / 3.0, f1.iter().sum::<f64>() / 3.0];
    assert!(close(report.mean(Average::Macro).unwrap(), means));
    assert!(close(report.mean(Average::Micro).unwrap(), [4.0 / 6.0; 3]));
    assert!(close(
        report.mean(Average::Weighted).unwrap(),
        [(4.0 + 1.0 / 3.0) / 6.0, 4.0 / 6.0, (4.0 * f1[0] + 0.5) / 6.0]
    ));
    assert!(report.mean(Average::Class(3)).unwrap_err().to_string().contains("class 3"));
    let text = report.rich().plain().unwrap().to_owned();
    let fish = text.lines().find(|line| line.starts_with("fish")).unwrap();
    assert_eq!(fish.matches('–').count(), 3, "{text}");
    assert!(text.contains("weighted mean") && text.contains("██████████\n"), "{text}");
    assert!(counts.report(&["cat"]).is_err());
    assert!(ConfusionCounts::new(2).report(&["a", "b"]).unwrap().text().contains("–"), "nothing counted");

    let mut many = ConfusionCounts::new(70);
    let classes: Vec<u32> = (0..70).collect();
    many.record(&classes, &classes).unwrap();
    many.record(&[69], &[0]).unwrap();
    let names: Vec<String> = classes.iter().map(|class| format!("n{class}")).collect();
    let text = many.report(&names).unwrap().text();
    assert!(
        text.lines().nth(2).unwrap().starts_with("n0") && text.contains("and 20 with a better F1"),
        "{text}"
    );
}

#[test]
fn a_thousand_classes_stay_readable() {
    // Sample i is of class i / 2, for classes 0 to 39 of 1000; the class's logit is higher for the first of the two.
    let (samples, classes) = (80, 1000);
    let value = |sample: usize, class: usize| match class == sample / 2 {
        true => 3.0 - (sample % 2) as f32,
        false => ((sample * 31 + class * 17) % 50) as f32 / 50.0,
    };
    let values: Vec<f32> = (0..samples * classes).map(|at| value(at / classes, at % classes)).collect();
    let logits = Tensor::from_vec(values, (samples, classes), &Device::Cpu).unwrap();
    let labels: Vec<u32> = (0..samples as u32).map(|sample| sample / 2).collect();
    let targets = Tensor::new(labels, &Device::Cpu).unwrap();
    let names: Vec<String> = (0..classes).map(|class| format!("n{class}")).collect();
    let curves = roc_curves(&logits, &targets, &names).unwrap();
    assert_eq!(curves.by_class().len(), classes);
    assert_eq!(curves.by_class()[39].1, Some(1.0));
    let points = curves.points("n7").unwrap();
    assert_eq!((points[1].x, points[1].y, points.last().unwrap().x), (0.0, 0.5, 1.0));
    assert!(curves.points("n40").is_none(), "nothing of that class");
    let text = curves.text();
    assert!(text.contains("and 950 with a larger area or none"), "{text}");
    assert!(text.contains("n59 and 940 more"), "{text}");
    assert!(text.lines().count() < 60, "{text}");
    assert_eq!(curves, curves.clone());
}

#[test]
fn counts_of_many_classes_take_what_occurs() {
    // Of 10^6 classes a matrix would have 10^12 places.
    let mut counts = ConfusionCounts::new(1_000_000);
    counts.record(&[999_999, 0, 999_999], &[0, 0, 0]).unwrap();
    assert_eq!(counts.pairs().collect::<Vec<_>>(), [([0, 0], 1), ([999_999, 0], 2)]);
    assert_eq!(counts.total(), 3);
    let tallies = counts.tallies();
    assert_eq!((tallies[999_999].false_negatives, tallies[0].false_positives), (2, 2));
    assert!(counts.record(&[1_000_000], &[0]).is_err());
    let mut few = ConfusionCounts::new(2);
    few.record(&[0, 1, 1], &[1, 1, 1]).unwrap();
    assert_eq!(few.counts(), [0, 1, 0, 2]);
}

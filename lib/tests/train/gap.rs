//! What made histories say of a training.

use sconce::prelude::History;
use sconce::rich::Rich;
use sconce::train::{GapConfig, Verdict};

/// A history that began with a loss of 2.3, of these training and validation losses.
fn history(train: &[f64], valid: &[f64]) -> History {
    with_metrics(train, valid, "{\"accuracy\":0.9}")
}

fn with_metrics(train: &[f64], valid: &[f64], train_metrics: &str) -> History {
    let epochs = train.iter().enumerate().map(|(at, loss)| {
        let valid_loss = valid.get(at).map_or("null".to_owned(), |loss| loss.to_string());
        format!(
            r#"{{"epoch":{},"train_loss":{loss},"train_metrics":{train_metrics},"valid_loss":{valid_loss},"valid_metrics":{{"accuracy":0.8}},"learning_rate":0.001,"skipped":0,"seconds":1.0,"images_per_second":100.0}}"#,
            at + 1
        )
    });
    let epochs = epochs.collect::<Vec<_>>().join(",");
    History::from_json(&format!(
        r#"{{"sconce":"history","version":1,"epochs":[{epochs}],"steps":{{"at":[0.5],"loss":[2.3],"learning_rate":[0.001]}},"skipped":{{"train":[],"valid":[]}}}}"#
    ))
    .unwrap()
}

#[test]
fn learning_by_heart_is_seen_with_the_epoch_since_which() {
    let train = [1.5, 1.0, 0.7, 0.5, 0.3, 0.2, 0.1];
    let valid = [1.4, 1.0, 0.8, 0.75, 0.82, 0.9, 1.1];
    let report = history(&train, &valid).gap();
    assert_eq!(
        (report.verdict(), report.since(), report.best_epoch()),
        (Verdict::Overfitting, Some(5), Some(4))
    );
    insta::assert_snapshot!(report.rich().plain().unwrap(), @r"
    overfitting: since epoch 5 the validation loss rises, 1.1 after 0.75, while training goes on
    - Take the weights of the best epoch: early stopping keeps them.
    - Show the model more: more images, or stronger augmentation (flips, crops, RandAugment, MixUp).
    - Hold it back: more weight decay, dropout, label smoothing.
    - Take a smaller model, or start from pretrained weights.
    - If the metrics do not get worse with the loss, the model only becomes too sure of itself; label smoothing helps.
    last epoch  train  valid  difference
    ----------  -----  -----  ----------
    loss          0.1    1.1           1
    accuracy      0.9    0.8        -0.1
    ");
    // One epoch less, and it may still be chance.
    assert_ne!(history(&train[..6], &valid[..6]).gap().verdict(), Verdict::Overfitting);
    // 2 % of 2.3 are 0.046: above the best by 0.045 is not more than that, by 0.047 it is.
    let rising =
        |by: f64| history(&train, &[1.4, 1.0, 0.8, 0.75, 0.75 + by, 0.75 + by, 0.75 + by]).gap().verdict();
    assert_eq!((rising(0.045), rising(0.047)), (Verdict::WideGap, Verdict::Overfitting));
}

#[test]
fn what_is_not_learnt_is_not_learnt_by_heart() {
    // Training stands still at nearly what it began with, while validation gets worse.
    let stuck = history(&[2.2, 2.1, 2.1, 2.1, 2.1, 2.1, 2.1], &[2.2, 2.1, 2.2, 2.25, 2.3, 2.3, 2.3]).gap();
    assert_eq!(stuck.verdict(), Verdict::Underfitting);
    // Mixed images have losses of their own: a rise when mixing begins is no divergence.
    let mixed =
        with_metrics(&[0.9, 0.5, 0.3, 1.2, 1.2, 1.1, 1.1], &[0.9, 0.6, 0.5, 0.45, 0.4, 0.35, 0.3], "{}");
    assert_ne!(mixed.gap().verdict(), Verdict::Diverging);
}

#[test]
fn mixed_batches_are_known_without_a_metric_too() {
    // Format 2 says of each epoch whether its batches were mixed.
    let json = |mixed: bool| {
        let losses = [(0.9, 0.9), (0.5, 0.6), (0.3, 0.5), (1.2, 0.45), (1.2, 0.4), (1.1, 0.35), (1.1, 0.3)];
        let epochs: Vec<String> = (1..)
            .zip(losses)
            .map(|(epoch, (train, valid))| {
                format!(
                    r#"{{"epoch":{epoch},"train_loss":{train},"train_metrics":{{}},"valid_loss":{valid},"valid_metrics":{{}},"learning_rate":0.001,"mixed":{mixed},"skipped":0,"seconds":1.0,"images_per_second":100.0}}"#
                )
            })
            .collect();
        let epochs = epochs.join(",");
        format!(
            r#"{{"sconce":"history","version":2,"epochs":[{epochs}],"steps":{{"at":[0.5],"loss":[2.3],"learning_rate":[0.001]}},"skipped":{{"train":[],"valid":[]}}}}"#
        )
    };
    let mixed = History::from_json(&json(true)).unwrap();
    assert!(mixed.epochs()[6].mixed);
    assert_ne!(mixed.gap().verdict(), Verdict::Diverging);
    assert_eq!(mixed.gap().gap(), None, "losses of different tasks have no gap");
    // The same numbers of images that were not mixed are a training that got worse.
    assert_eq!(History::from_json(&json(false)).unwrap().gap().verdict(), Verdict::Diverging);
}

#[test]
fn other_thresholds_give_other_verdicts() {
    let made = history(&[1.5, 1.0, 0.7, 0.5, 0.3, 0.2, 0.1], &[1.4, 1.0, 0.8, 0.75, 0.82, 0.9, 1.1]);
    let verdict = |config: GapConfig| made.gap_with(config).verdict();
    let config = GapConfig::default();
    assert_eq!(verdict(GapConfig { rise: 0.2, ..config }), Verdict::WideGap);
    assert_eq!(verdict(GapConfig { rise: 0.2, wide: 0.5, ..config }), Verdict::Settled);
    assert_eq!(verdict(GapConfig { window: 7, ..config }), Verdict::Unclear);
    assert_eq!(verdict(GapConfig { window: 0, ..config }), Verdict::Overfitting);
}

#[test]
fn each_course_has_its_verdict() {
    let cases: [(&[f64], &[f64], Verdict); 8] = [
        // Validation falls by more than 1 % of 2.3 in the last three epochs.
        (&[1.5, 1.2, 1.0, 0.9, 0.8], &[1.6, 1.3, 1.1, 1.0, 0.9], Verdict::Learning),
        // Both rest, near each other and low.
        (&[1.0, 0.3, 0.2, 0.19, 0.18, 0.18], &[0.9, 0.35, 0.25, 0.25, 0.24, 0.24], Verdict::Settled),
        // Both rest where they began.
        (&[2.2, 2.1, 2.09, 2.09, 2.085], &[2.2, 2.1, 2.1, 2.1, 2.1], Verdict::Underfitting),
        // Validation rests far above training.
        (&[1.0, 0.3, 0.1, 0.05, 0.02, 0.01], &[1.0, 0.6, 0.5, 0.5, 0.5, 0.5], Verdict::WideGap),
        // Training itself gets worse.
        (&[1.0, 0.5, 0.8, 1.2, 1.9], &[1.0, 0.6, 0.9, 1.3, 2.0], Verdict::Diverging),
        // Four epochs are needed.
        (&[1.0, 0.5, 0.3], &[1.0, 0.6, 0.9], Verdict::Unclear),
        // No validation.
        (&[1.0, 0.5, 0.3, 0.2], &[], Verdict::Unclear),
        // Validation of some epochs only.
        (&[1.0, 0.5, 0.3, 0.2], &[1.0, 0.5], Verdict::Unclear),
    ];
    for (train, valid, verdict) in cases {
        let report = history(train, valid).gap();
        let text = report.rich().plain().unwrap().to_owned();
        assert_eq!(report.verdict(), verdict, "{text}");
        assert_eq!(report.advice().is_empty(), verdict == Verdict::Unclear, "{text}");
        assert_eq!(report.since().is_some(), matches!(verdict, Verdict::Diverging | Verdict::Overfitting));
        assert!(text.starts_with(&verdict.to_string()), "{text}");
    }
    assert_eq!(History::default().gap().verdict(), Verdict::Unclear);
    let report = history(cases[4].0, cases[4].1).gap();
    assert_eq!(report.since(), Some(3));
}

#[test]
fn the_gap_is_a_share_of_the_loss_at_the_beginning() {
    let report = history(&[1.0, 0.3, 0.1, 0.1, 0.1], &[1.0, 0.6, 0.56, 0.56, 0.56]).gap();
    assert!((report.gap().unwrap() - 0.46 / 2.3).abs() < 1e-12, "{report:?}");
}

#[test]
fn a_loss_below_zero_is_judged_by_how_far_it_fell() {
    // From 2.3 to -7.7: 2 % are 0.2.
    let train = [0.0, -4.0, -6.0, -7.0, -7.5, -7.7];
    let verdict = |last: f64| history(&train, &[0.0, -4.0, -6.0, last, last, last]).gap().verdict();
    assert_eq!((verdict(-5.7), verdict(-5.9)), (Verdict::Overfitting, Verdict::WideGap));
}

/// The training loss of mixed images is high by its nature and tells nothing beside that of whole ones.
#[test]
fn mixed_images_are_not_compared_with_whole_ones() {
    let (train, valid) = ([2.2, 2.0, 1.9, 1.89, 1.89, 1.89], [1.0, 0.4, 0.3, 0.3, 0.3, 0.3]);
    let report = with_metrics(&train, &valid, "{}").gap();
    assert_eq!((report.verdict(), report.gap()), (Verdict::Settled, None));
    assert!(report.rich().plain().unwrap().contains("mixed images"));
    assert_eq!(history(&train, &valid).gap().verdict(), Verdict::Underfitting);
}

#[test]
fn numbers_that_are_none_are_not_judged() {
    let made = history(&[1.0, 0.5, 0.3, 0.2, 0.1], &[1.0, 0.5, 0.3, 0.2, 0.1]);
    let text = made.to_json().replace("\"valid_loss\":0.1", "\"valid_loss\":\"inf\"");
    assert_ne!(text, made.to_json());
    let report = History::from_json(&text).unwrap().gap();
    assert_eq!(report.verdict(), Verdict::Unclear);
    assert!(report.rich().plain().unwrap().contains("not finite"));
}

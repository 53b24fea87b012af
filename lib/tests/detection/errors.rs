//! What is wrong with boxes: each kind by hand, all of them against the program of the paper's authors, in pictures.

use candle_core::{DType, Device, Tensor};
use sconce::data::{BBox, Dataset, Image, Object, Pixels, Sample, Target};
use sconce::metrics::{BoxErrorConfig, BoxErrorKind, BoxErrors, BoxEvaluation, FoundBox, TrueBox};
use sconce::rich::Rich;
use serde_json::Value;

use super::{Any, close, evaluation, fixture, found, truth};

/// A box of 100 x 100 pixels that begins so far to the right. Of two with a distance of `d` the IoU is
/// (100 - d) / (100 + d): 20 gives 2/3, 50 gives 1/3, 80 gives 1/9, 90 gives 1/19.
fn square(x: f64) -> [f64; 4] {
    [x, 0.0, x + 100.0, 100.0]
}

fn errors(images: &[(Vec<TrueBox>, Vec<FoundBox>)]) -> Result<BoxErrors, sconce::Error> {
    let mut evaluation = BoxEvaluation::new(&["cat", "dog"]);
    for (truths, found) in images {
        evaluation.record(truths, found)?;
    }
    evaluation.errors(BoxErrorConfig::default())
}

fn kinds(errors: &BoxErrors) -> Vec<&'static str> {
    errors.all().iter().map(|error| error.kind.name()).collect()
}

fn gain(errors: &BoxErrors, kind: BoxErrorKind, wanted: f64) {
    close(errors.gain(kind), wanted, kind.name());
}

#[test]
fn a_wrong_class_is_mended_into_the_right_one() -> Any {
    // A cat is found at 0.9, the dog is taken for a cat at 0.8. Cats: recall 1 at precision 1, so AP 1; dogs: 0.
    // Mended, the dog is found by the box: AP 1 for both.
    let all = errors(&[(
        vec![truth(0, square(0.0)), truth(1, square(500.0))],
        vec![found(0, 0.9, square(0.0)), found(0, 0.8, square(520.0))],
    )])?;
    assert_eq!(kinds(&all), ["class"]);
    close(all.ap(), 0.5, "AP50");
    gain(&all, BoxErrorKind::Class, 0.5);
    gain(&all, BoxErrorKind::Missed, 0.0);
    let error = &all.all()[0];
    assert_eq!((error.found.as_ref().map(|found| found.label), error.image), (Some(0), 0));
    assert_eq!(error.truth, Some(truth(1, square(500.0))));
    // The dog is not found, but not missed either: its class could be mended. All that is not found, not asked for: dogs
    // drop out, since nothing of them is left.
    close(all.false_negative_gain(), 0.5, "false negatives");
    close(all.false_positive_gain(), 0.0, "false positives");
    Ok(())
}

#[test]
fn a_bad_place_is_mended_once_for_each_thing() -> Any {
    // Two cats. One is found at 0.5. Two boxes at 0.9 and 0.8 lie on the other with an IoU of 1/3.
    // Order: wrong, wrong, right: precision 1/3 up to a recall of 1/2, which 51 of COCO's 101 points do not exceed.
    let all = errors(&[(
        vec![truth(0, square(0.0)), truth(0, square(500.0))],
        vec![found(0, 0.9, square(550.0)), found(0, 0.8, square(450.0)), found(0, 0.5, square(0.0))],
    )])?;
    assert_eq!(kinds(&all), ["location", "location"]);
    let ap = 51.0 / 101.0 / 3.0;
    close(all.ap(), ap, "AP50");
    // The surer one becomes right, the other goes: both cats are found, nothing is wrong.
    gain(&all, BoxErrorKind::Location, 1.0 - ap);
    // Scored last, the wrong ones leave precision 1 up to a recall of 1/2.
    close(all.false_positive_gain(), 51.0 / 101.0 - ap, "false positives");
    // One cat is left to be found; it is with precision 1/3.
    close(all.false_negative_gain(), 1.0 / 3.0 - ap, "false negatives");

    // A bad place beside a good one, 1/3 of the same cat: the cat is found already, so the box only goes.
    let beside = errors(&[(
        vec![truth(0, square(0.0))],
        vec![found(0, 0.9, square(50.0)), found(0, 0.8, square(0.0))],
    )])?;
    assert_eq!(kinds(&beside), ["location"]);
    close(beside.ap(), 0.5, "AP50");
    gain(&beside, BoxErrorKind::Location, 0.5);
    Ok(())
}

#[test]
fn a_wrong_class_in_a_bad_place_goes() -> Any {
    // A cat is found at 0.5; before it, at 0.9, stands a dog that lies on the cat with an IoU of 1/3. No dog is there, so
    // dogs do not count. AP 1 for cats.
    let cat = || truth(0, square(0.0));
    let all = errors(&[(vec![cat()], vec![found(1, 0.9, square(50.0)), found(0, 0.5, square(0.0))])])?;
    assert_eq!(kinds(&all), ["both"]);
    close(all.ap(), 1.0, "AP50");
    gain(&all, BoxErrorKind::Both, 0.0);
    // With a dog elsewhere, found at 0.4, dogs are half wrong: precision 1/2 at all recalls.
    let dog = || truth(1, square(500.0));
    let boxes = vec![found(1, 0.9, square(50.0)), found(0, 0.5, square(0.0)), found(1, 0.4, square(500.0))];
    let all = errors(&[(vec![cat(), dog()], boxes)])?;
    assert_eq!(kinds(&all), ["both"]);
    close(all.ap(), 0.75, "AP50");
    gain(&all, BoxErrorKind::Both, 0.25);
    assert_eq!(all.all()[0].truth, Some(cat()));
    Ok(())
}

#[test]
fn what_is_found_twice_and_what_is_not_there_goes() -> Any {
    // One cat, found at 0.9, again at 0.8 (IoU 2/3), and nothing of it at 0.95 (IoU 1/19). Order: background, right,
    // duplicate: precision 1/2 at every recall.
    let all = errors(&[(
        vec![truth(0, square(0.0))],
        vec![found(0, 0.95, square(90.0)), found(0, 0.9, square(0.0)), found(0, 0.8, square(20.0))],
    )])?;
    assert_eq!(kinds(&all), ["background", "duplicate"]);
    close(all.ap(), 0.5, "AP50");
    gain(&all, BoxErrorKind::Background, 0.5);
    // What comes after the last right one costs nothing.
    gain(&all, BoxErrorKind::Duplicate, 0.0);
    assert_eq!((all.all()[0].truth.as_ref(), all.count(BoxErrorKind::Duplicate)), (None, 1));
    assert_eq!(all.all()[1].truth, Some(truth(0, square(0.0))));
    // An IoU of 1/9 is more than 0.1: a bad place, and the cat is found.
    let near = errors(&[(
        vec![truth(0, square(0.0))],
        vec![found(0, 0.95, square(80.0)), found(0, 0.9, square(0.0))],
    )])?;
    assert_eq!(kinds(&near), ["location"]);
    Ok(())
}

#[test]
fn what_is_missed_is_no_longer_asked_for() -> Any {
    // Two images with a cat each, one found; the other image is empty to the model. Recall 1/2: 51 of 101 points.
    let all = errors(&[
        (vec![truth(0, square(0.0))], vec![found(0, 0.9, square(0.0))]),
        (vec![truth(0, square(7.0))], vec![]),
    ])?;
    assert_eq!(kinds(&all), ["missed"]);
    close(all.ap(), 51.0 / 101.0, "AP50");
    gain(&all, BoxErrorKind::Missed, 50.0 / 101.0);
    close(all.false_negative_gain(), 50.0 / 101.0, "false negatives");
    assert_eq!((all.all()[0].image, all.all()[0].found.as_ref()), (1, None));
    // All is missed: without that nothing is wrong.
    let nothing = errors(&[(vec![truth(0, square(0.0))], vec![])])?;
    close(nothing.ap(), 0.0, "AP50");
    gain(&nothing, BoxErrorKind::Missed, 1.0);
    Ok(())
}

#[test]
fn what_is_on_an_ignored_thing_is_neither_right_nor_wrong() -> Any {
    let crowd = TrueBox { ignore: true, ..truth(0, square(0.0)) };
    let all = errors(&[(
        vec![crowd, truth(0, square(500.0))],
        vec![found(0, 0.9, square(0.0)), found(0, 0.8, square(10.0)), found(0, 0.7, square(500.0))],
    )])?;
    close(all.ap(), 1.0, "AP50");
    assert!(all.all().is_empty());
    // Nothing to find is nothing to be said, though the box on nothing is counted.
    let none = errors(&[(vec![], vec![found(0, 0.9, square(0.0))])])?;
    assert_eq!(
        (none.ap(), none.gain(BoxErrorKind::Background), kinds(&none)),
        (None, None, vec!["background"])
    );
    let text = none.rich().plain().unwrap_or_default().to_owned();
    assert!(text.contains('–') && text.contains("background"), "{text}");
    Ok(())
}

fn number(value: &Value) -> Result<f64, &'static str> {
    value.as_f64().ok_or("a number")
}

#[test]
fn the_numbers_are_those_of_the_papers_program() -> Any {
    let file: Value = serde_json::from_str(include_str!("../../../tests/fixtures/coco/errors.json"))?;
    let made = evaluation(&file["ground_truth"], &file["detections"], [0, 1, 2, 3])?;
    for (evaluation, expected) in
        [(made, &file["expected"]), (fixture()?, &file["expected_of_detections_json"])]
    {
        let errors = evaluation.errors(BoxErrorConfig::default())?;
        let near = |got: Option<f64>, wanted: &Value, what: &str| -> Any {
            let wanted = number(wanted)?;
            assert!(got.is_some_and(|got| (got - wanted).abs() < 1e-9), "{what}: {got:?}, not {wanted}");
            Ok(())
        };
        near(errors.ap(), &expected["ap"], "AP50")?;
        assert_eq!(errors.ap(), evaluation.coco().ap50(), "the same AP as COCO's");
        for kind in BoxErrorKind::ALL {
            assert_eq!(errors.count(kind) as u64, expected["counts"][kind.name()], "{kind:?}");
            near(errors.gain(kind), &expected["gains"][kind.name()], kind.name())?;
        }
        near(errors.false_positive_gain(), &expected["false_positives"], "false positives")?;
        near(errors.false_negative_gain(), &expected["false_negatives"], "false negatives")?;
    }
    Ok(())
}

#[test]
fn thresholds_are_checked_and_mean_something() -> Any {
    let mut evaluation = BoxEvaluation::new(&["cat", "dog"]);
    evaluation.record(&[truth(0, square(0.0))], &[found(0, 0.9, square(50.0))])?;
    let config = |found_iou, background_iou| BoxErrorConfig { found_iou, background_iou };
    for refused in [config(0.5, 0.5), config(0.5, 0.0), config(1.1, 0.1), config(f64::NAN, 0.1)] {
        let error = evaluation.errors(refused).expect_err("thresholds").to_string();
        assert!(error.contains("background_iou"), "{error}");
    }
    // An IoU of 1/3.
    assert_eq!(kinds(&evaluation.errors(config(0.3, 0.1))?), [""; 0]);
    assert_eq!(kinds(&evaluation.errors(config(0.5, 0.4))?), ["background", "missed"]);
    assert_eq!(kinds(&evaluation.errors(config(0.5, 1.0 / 3.0))?), ["location"]);
    Ok(())
}

#[test]
fn errors_show_as_a_table_and_bars() -> Any {
    let errors = fixture()?.errors(BoxErrorConfig::default())?;
    let rich = errors.rich();
    let text = rich.plain().unwrap_or_default();
    for part in ["AP50 52.3 % in 24 images", "duplicate", "27.8 %", "false negatives", "█", "3.2 % of 16"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(
        rich.forms.iter().any(|(mime, form)| mime == "text/html" && format!("{form:?}").contains("svg+xml"))
    );
    assert!(errors.bars()?.svg()?.contains("missed"));
    Ok(())
}

/// Two images of 60 x 200 pixels with a cat and a dog.
fn drawings() -> Result<(Dataset, BoxEvaluation), sconce::Error> {
    let object = |label: u32, [x0, y0, x1, y1]: [f32; 4]| Object {
        label,
        bbox: BBox { x0, y0, x1, y1 },
        mask: None,
        keypoints: Vec::new(),
        area: None,
        ignore: false,
    };
    let sample = |name: &str, objects: Vec<Object>| -> Result<Sample, sconce::Error> {
        let image = Image::new([60, 200, 3], Pixels::U8(vec![128; 60 * 200 * 3]))?;
        Ok(Sample { id: name.into(), image, target: Target { objects, ..Target::default() } })
    };
    let (cat, dog) = ([10.0, 10.0, 60.0, 50.0], [120.0, 10.0, 180.0, 50.0]);
    let samples =
        vec![sample("a", vec![object(0, cat), object(1, dog)])?, sample("b", vec![object(0, cat)])?];
    let data = Dataset::in_memory(samples, &["cat", "dog"])?;
    let mut evaluation = BoxEvaluation::new(&["cat", "dog"]);
    for (at, boxes) in
        [vec![found(1, 0.75, cat.map(f64::from)), found(0, 0.5, [0.0, 55.0, 5.0, 60.0])], vec![]]
            .into_iter()
            .enumerate()
    {
        let truths: Vec<TrueBox> = data.sample(at)?.target.objects.iter().map(TrueBox::from).collect();
        evaluation.record(&truths, &boxes)?;
    }
    Ok((data, evaluation))
}

#[test]
fn examples_of_errors_are_drawn_on_their_images() -> Any {
    let (data, evaluation) = drawings()?;
    let errors = evaluation.errors(BoxErrorConfig::default())?;
    assert_eq!(kinds(&errors), ["class", "background", "missed", "missed"]);
    let shown = data.show_box_errors(&errors, 1)?;
    // Of the missed things the larger one: the dog of image 0.
    let examples: Vec<_> = shown.examples().iter().map(|error| (error.kind.name(), error.image)).collect();
    assert_eq!(examples, [("class", 0), ("background", 0), ("missed", 0)]);
    assert_eq!(data.show_box_errors(&errors, 2)?.grid().len(), 4);
    let text = shown.rich().plain().unwrap_or_default().to_owned();
    for part in ["orange: found; blue: there", "dog 75.0 %", "10 10 60 50", "missed"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(shown.grid().svg()?.contains("class: dog 75.0 %, is cat"));
    // The frames are where they belong: orange over blue on the cat's left edge, blue alone around the missed dog.
    let picture = shown.grid().picture().ok_or("a picture")?;
    let (orange, blue) = ([213, 94, 0], [0, 114, 178]);
    let of = |color: [u8; 3]| picture.pixels().chunks(3).filter(|pixel| **pixel == color).count();
    assert!(of(orange) > 0 && of(blue) > 0, "{} and {}", of(orange), of(blue));
    Ok(())
}

#[test]
fn errors_of_other_images_are_not_drawn() -> Any {
    let (data, evaluation) = drawings()?;
    let errors = evaluation.errors(BoxErrorConfig::default())?;
    for each in [0, 41] {
        let error = data.show_box_errors(&errors, each).expect_err("each").to_string();
        assert!(error.contains("1 to 40"), "{error}");
    }
    let error = data.subset(&[0])?.show_box_errors(&errors, 1).expect_err("fewer images").to_string();
    assert!(error.contains("at most the 1 images"), "{error}");
    let error = data.subset(&[1, 0])?.show_box_errors(&errors, 1).expect_err("another order").to_string();
    assert!(error.contains("no dog at") && error.contains("order"), "{error}");
    let unlabelled =
        Dataset::new(Tensor::zeros((2, 3, 8, 8), DType::F32, &Device::Cpu)?, &[0, 0], &["cat", "dog"])?;
    assert!(unlabelled.show_box_errors(&errors, 1).is_err());
    Ok(())
}

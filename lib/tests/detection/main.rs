//! Boxes from the data to the loss and the metrics: COCO's numbers, VOC's, targets of a batch, a model that learns.

use candle_core::{DType, Device, Tensor};
use sconce::data::{BBox, Batch, Object, Target};
use sconce::metrics::{BoxEvaluation, CocoScores, FoundBox, TrueBox, VocInterpolation, found_boxes};
use sconce::rich::Rich;
use sconce::train::found_on;
use serde_json::Value;

mod errors;

type Any = Result<(), Box<dyn std::error::Error>>;

fn corners(xywh: &Value) -> Result<[f64; 4], serde_json::Error> {
    let [x, y, width, height]: [f64; 4] = serde_json::from_value(xywh.clone())?;
    Ok([x, y, x + width, y + height])
}

/// The fixture's images, in which its categories 1, 2, 3 and 7 are the classes 0 to 3.
fn fixture() -> Result<BoxEvaluation, Box<dyn std::error::Error>> {
    let truths: Value = serde_json::from_str(include_str!("../../../tests/fixtures/coco/ground_truth.json"))?;
    let found: Value = serde_json::from_str(include_str!("../../../tests/fixtures/coco/detections.json"))?;
    evaluation(&truths, &found, [1, 2, 3, 7])
}

/// The images of COCO's JSON, with these categories.
fn evaluation(
    truths: &Value,
    found: &Value,
    categories: [u32; 4],
) -> Result<BoxEvaluation, Box<dyn std::error::Error>> {
    let label =
        |value: &Value| categories.iter().position(|id| value["category_id"] == *id).map(|at| at as u32);
    let found = found.as_array().ok_or("detections")?;
    let mut detections = BoxEvaluation::new(&["c1", "c2", "c3", "c7"]);
    for image in truths["images"].as_array().ok_or("images")? {
        let here = |value: &&Value| value["image_id"] == image["id"];
        let truths = truths["annotations"].as_array().ok_or("annotations")?.iter().filter(here);
        let truths = truths.map(|truth| {
            Ok(TrueBox {
                label: label(truth).ok_or("category")?,
                corners: corners(&truth["bbox"])?,
                area: truth["area"].as_f64(),
                ignore: truth["iscrowd"] == 1,
            })
        });
        let found = found.iter().filter(here).map(|found| {
            Ok(FoundBox {
                label: label(found).ok_or("category")?,
                corners: corners(&found["bbox"])?,
                score: found["score"].as_f64().ok_or("score")?,
            })
        });
        let (truths, found) = (
            truths.collect::<Result<Vec<_>, Box<dyn std::error::Error>>>()?,
            found.collect::<Result<Vec<_>, Box<dyn std::error::Error>>>()?,
        );
        detections.record(&truths, &found)?;
    }
    Ok(detections)
}

#[test]
fn the_twelve_numbers_are_those_of_pycocotools() -> Any {
    let expected: Value = serde_json::from_str(include_str!("../../../tests/fixtures/coco/expected.json"))?;
    let detections = fixture()?;
    let scores = detections.coco();
    for (name, got) in scores.numbers() {
        let wanted = expected[name.replace(' ', "_")].as_f64().ok_or(name)?;
        let got = got.ok_or(name)?;
        assert!((got - wanted).abs() <= 1e-9, "{name}: {got}, not {wanted}");
    }
    let text = scores.rich().plain().unwrap_or_default().to_owned();
    for part in ["AP50", "52.3", "AR 100", "41.3", "c7"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    Ok(())
}

fn truth(label: u32, corners: [f64; 4]) -> TrueBox {
    TrueBox { label, corners, area: None, ignore: false }
}

fn found(label: u32, score: f64, corners: [f64; 4]) -> FoundBox {
    FoundBox { label, score, corners }
}

fn close(got: Option<f64>, wanted: f64, what: &str) {
    assert!(got.is_some_and(|got| (got - wanted).abs() < 1e-12), "{what}: {got:?}, not {wanted}");
}

#[test]
fn vocs_average_precision_by_hand() -> Any {
    let square = |at: f64| [at, at, at + 10.0, at + 10.0];
    let mut detections = BoxEvaluation::new(&["cat", "dog", "none"]);
    // Three cats, found in this order: right, wrong, right, a second time the same, too hard to count, right.
    detections.record(
        &[truth(0, square(0.0)), truth(0, square(50.0)), TrueBox { ignore: true, ..truth(0, square(100.0)) }],
        &[
            found(0, 0.9, square(0.5)),
            found(0, 0.8, square(25.0)),
            found(0, 0.6, square(0.2)),
            found(0, 0.5, square(100.0)),
        ],
    )?;
    detections.record(
        &[truth(0, square(0.0)), truth(1, square(0.0))],
        &[found(0, 0.7, square(0.0)), found(1, 0.3, square(200.0))],
    )?;
    detections.record(&[], &[found(0, 0.1, square(0.0))])?;
    // Cats: precision 1, 1/2, 2/3, 2/4, 2/5 with recall 1/3, 1/3, 2/3, 2/3, 2/3.
    let area = detections.voc(0.5, VocInterpolation::Area)?;
    let eleven = detections.voc(0.5, VocInterpolation::ElevenPoints)?;
    close(area.by_class()[0].1, (1.0 + 2.0 / 3.0) / 3.0, "cat, area");
    // Recalls 0 to 0.3 have precision 1, 0.4 to 0.6 have 2/3, those above nothing.
    close(eleven.by_class()[0].1, (4.0 + 3.0 * 2.0 / 3.0) / 11.0, "cat, eleven points");
    close(area.by_class()[1].1, 0.0, "a dog that was not found");
    assert_eq!(area.by_class()[2], ("none", None));
    close(area.mean(), (1.0 + 2.0 / 3.0) / 6.0, "mean of the two classes there are");
    assert!(area.rich().plain().unwrap_or_default().contains("mean"));
    // A stricter look leaves only what lies exactly.
    close(detections.voc(0.99, VocInterpolation::Area)?.by_class()[0].1, 1.0 / 9.0, "strict");
    assert!(detections.voc(0.0, VocInterpolation::Area).is_err());
    Ok(())
}

#[test]
fn coco_without_things_has_no_number() -> Any {
    let mut detections = BoxEvaluation::new(&["cat"]);
    let nothing: CocoScores = detections.coco();
    assert!(nothing.numbers().iter().all(|(_, value)| value.is_none()));
    detections.record(&[truth(0, [0.0, 0.0, 10.0, 10.0])], &[])?;
    let missed = detections.coco();
    assert_eq!((missed.ap(), missed.ar_small(), missed.ap_large()), (Some(0.0), Some(0.0), None));
    assert!(missed.rich().plain().unwrap_or_default().contains('–'));
    Ok(())
}

#[test]
fn boxes_that_cannot_be_counted_are_named() {
    let mut detections = BoxEvaluation::new(&["cat"]);
    let square = [0.0, 0.0, 1.0, 1.0];
    let cases = [
        (vec![truth(1, square)], vec![], "a true box of label 1 in image 0"),
        (vec![truth(0, [1.0, 0.0, 0.0, 1.0])], vec![], "[1.0, 0.0, 0.0, 1.0]"),
        (vec![], vec![found(0, 0.5, [0.0, f64::NAN, 1.0, 1.0])], "found box"),
        (vec![], vec![found(0, f64::NAN, square)], "NaN in image 0"),
    ];
    for (truths, found, named) in cases {
        let error = detections.record(&truths, &found).expect_err(named).to_string();
        assert!(error.contains(named), "{error} should name {named}");
    }
    assert!(detections.is_empty(), "what is refused leaves no trace");
}

#[test]
fn guesses_become_boxes_in_pixels() -> Any {
    let cpu = &Device::Cpu;
    // The last class is none: the second guess is surest of it, and still has its likeliest class.
    let logits = Tensor::new(&[[[0.0f32, 2.0, 1.0], [1.0, 0.0, 5.0]]], cpu)?;
    let boxes = Tensor::new(&[[[0.5f32, 0.5, 0.5, 1.0], [0.25, 0.5, 0.1, 0.1]]], cpu)?;
    let found = found_boxes(&logits, &boxes, [40, 80])?;
    assert_eq!(found[0].iter().map(|found| found.label).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(found[0][0].corners, [20.0, 0.0, 60.0, 40.0]);
    let e = |x: f64| x.exp();
    assert!((found[0][0].score - e(2.0) / (1.0 + e(2.0) + e(1.0))).abs() < 1e-6);
    assert!(found_boxes(&logits, &boxes.narrow(1, 0, 1)?, [40, 80]).is_err());
    assert!(found_boxes(&(&logits * f64::NAN)?, &boxes, [40, 80]).is_err());

    let names = ["cat".to_owned(), "dog".to_owned()];
    let drawn = found_on(&Tensor::zeros((3, 40, 80), DType::F32, cpu)?, &found[0], &names)?;
    assert!(drawn.text().contains("dog 67 %"), "{}", drawn.text());
    assert!(found_on(&logits.flatten_all()?, &found[0], &names).is_err());
    Ok(())
}

#[test]
fn targets_are_fractions_of_the_image_without_its_padding() -> Any {
    let cpu = &Device::Cpu;
    let object = |bbox: [f32; 4], ignore: bool| {
        let [x0, y0, x1, y1] = bbox;
        let bbox = BBox { x0, y0, x1, y1 };
        Object { label: 1, bbox, mask: None, keypoints: Vec::new(), area: Some(7.0), ignore }
    };
    let objects = vec![
        object([10.0, 0.0, 20.0, 10.0], false),
        object([-10.0, 5.0, 20.0, 30.0], false), // in part outside
        object([5.0, 5.0, 5.0, 9.0], false),     // without an area
        object([0.0, 0.0, 9.0, 9.0], true),      // a group
        object([50.0, 50.0, 60.0, 60.0], false), // outside
    ];
    let target = Target { objects, ..Target::default() };
    // 20 x 40 pixels in a place of 32 x 64.
    let mask: Vec<u8> = (0..32 * 64).map(|at| u8::from(at / 64 < 20 && at % 64 < 40)).collect();
    let mut batch = Batch {
        images: Tensor::zeros((1, 3, 32, 64), DType::F32, cpu)?,
        labels: Tensor::zeros(0, DType::U32, cpu)?,
        shares: None,
        targets: vec![target],
        pixel_mask: Some(Tensor::from_vec(mask, (1, 32, 64), cpu)?),
        indices: vec![5],
    };
    assert_eq!(batch.image_sizes()?, [[20, 40]]);
    let targets = batch.box_targets()?;
    assert_eq!(targets.labels, [[1, 1]]);
    assert_eq!(targets.boxes, [[[0.375, 0.25, 0.25, 0.5], [0.25, 0.625, 0.5, 0.75]]]);
    let truths = batch.true_boxes();
    assert_eq!((truths[0].len(), truths[0][0].area, truths[0][3].ignore), (5, Some(7.0), true));
    assert_eq!(truths[0][0].corners, [10.0, 0.0, 20.0, 10.0]);

    batch.pixel_mask = None;
    assert_eq!(batch.box_targets()?.boxes[0][0], [15.0 / 64.0, 5.0 / 32.0, 10.0 / 64.0, 10.0 / 32.0]);
    let names = ["none".to_owned(), "thing".to_owned()];
    let grid = batch.show_found(&[vec![found(1, 0.9, [1.0, 1.0, 9.0, 9.0])]], &names, 0.5)?;
    assert!(grid.text().contains("thing 90 %"), "{}", grid.text());
    assert!(batch.show_found(&[], &names, 0.5).is_err());
    let mixed = Batch { shares: Some(Tensor::zeros((1, 2), DType::F32, cpu)?), ..batch.clone() };
    assert!(mixed.box_targets().is_err(), "boxes of one image do not fit a mixture of two");
    batch.targets[0].objects[0].bbox.x0 = f32::NAN;
    let error = batch.box_targets().expect_err("NaN").to_string();
    assert!(error.contains("image 5"), "{error}");
    Ok(())
}

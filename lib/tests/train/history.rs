//! A history goes into files and comes back.

use candle_core::{Device, Tensor};
use sconce::Result;
use sconce::data::{DataSplit, Dataset};
use sconce::nn::Model;
use sconce::prelude::{History, Learner, Seed, Split, accuracy, adamw};
use sconce::rich::Rich;

/// Noise of two classes.
fn noise(images: usize, seed: u64) -> Result<Dataset> {
    let mut rng = Seed(seed).rng();
    let labels: Vec<u32> = (0..images as u32).map(|at| at % 2).collect();
    let pixels: Vec<f32> = (0..images * 16).map(|_| rng.uniform_f32()).collect();
    Dataset::new(Tensor::from_vec(pixels, (images, 1, 4, 4), &Device::Cpu)?, &labels, &["one", "other"])
}

fn learner() -> Result<Learner> {
    let data = DataSplit { train: noise(50, 1)?, valid: noise(20, 2)?, test: noise(8, 3)? };
    let net = Model::build([1, 4, 4], |x| x.flatten().linear(2))?.init(Seed(7), &Device::Cpu)?;
    Ok(Learner::new(net, data).optimizer(adamw(0.02)).metric(accuracy()).batch_size(16))
}

/// Two epochs, the second with a metric that the first has not, numbers that JSON has no way to write, names that
/// need quotes, and images that were left out.
const MADE: &str = r#"{
"sconce":"history",
"version":2,
"epochs":[
{"epoch":1,"train_loss":0.1,"train_metrics":{"z":0.30000000000000004,"accuracy":1.0},"valid_loss":null,"valid_metrics":{},"learning_rate":0.001,"mixed":true,"skipped":2,"seconds":5e-324,"images_per_second":"inf"},
{"epoch":2,"train_loss":-0.0,"train_metrics":{"z":0.5},"valid_loss":1.7976931348623157e308,"valid_metrics":{"say \"a, b\"":0.25},"learning_rate":1e-7,"mixed":false,"skipped":0,"seconds":1.5,"images_per_second":12.0}
],
"steps":{
"at":[0.3333333333333333,1.0,2.0],
"loss":[2.302585092994046,0.1,"-inf"],
"learning_rate":[0.001,0.001,1e-7]
},
"skipped":{"train":[
{"index":3,"id":"cats/3.png","path":"/data/cats/3.png","error":"cut \"off\"\n"},
{"index":9,"id":"9","path":null,"error":"empty"}
],"valid":[]}
}
"#;

#[test]
fn a_made_history_is_written_as_it_was_read() -> Result<()> {
    let history = History::from_json(MADE)?;
    assert_eq!(history.to_json(), MADE);
    assert_eq!(history.len(), 2);
    assert_eq!(history.epochs()[0].train_metrics[0], ("z".to_owned(), 0.1 + 0.2));
    assert_eq!(history.epochs().iter().map(|epoch| epoch.mixed).collect::<Vec<_>>(), [true, false]);
    assert!(history.epochs()[1].train_loss.is_sign_negative());
    assert_eq!(history.step_losses()[2], f64::NEG_INFINITY);
    assert_eq!(history.step_learning_rates(), [1e-3, 1e-3, 1e-7]);
    assert_eq!(history.step_places(), [1.0 / 3.0, 1.0, 2.0]);
    assert_eq!(history.skipped(Split::Train).samples[0].error, "cut \"off\"\n");
    Ok(())
}

#[test]
fn a_training_comes_back_bit_for_bit() -> Result<()> {
    let mut learner = learner()?;
    learner.fit(2)?;
    learner.set_learning_rate(1.0 / 3.0 * 0.01)?;
    let history = learner.fit(1)?;
    let back = History::from_json(&history.to_json())?;
    assert_eq!(back, history);
    assert_eq!(back.to_json(), history.to_json());
    let rates = history.step_learning_rates();
    assert_eq!((rates[0], rates[7], rates[8]), (0.02, 0.02, 1.0 / 3.0 * 0.01));
    assert_eq!(rates.len(), history.step_losses().len());
    Ok(())
}

#[test]
fn an_empty_history_comes_back() -> Result<()> {
    let empty = History::default();
    assert_eq!(History::from_json(&empty.to_json())?, empty);
    assert_eq!(
        empty.to_csv(),
        "epoch,train_loss,valid_loss,learning_rate,skipped,seconds,images_per_second\n"
    );
    assert_eq!(empty.steps_to_csv(), "step,epoch,loss,learning_rate\n");
    Ok(())
}

#[test]
fn every_text_that_was_cut_off_is_refused() {
    let whole = MADE.trim_end();
    for end in (0..whole.len()).filter(|&end| whole.is_char_boundary(end)) {
        let error = History::from_json(&whole[..end]).expect_err("it is not whole").to_string();
        assert!(error.contains("History::from_json"), "{error}");
    }
}

#[test]
fn what_is_wrong_with_a_text_is_named() {
    let cases = [
        (MADE.replace("\"history\"", "\"run\""), "a \"run\" of Sconce"),
        (MADE.replace("\"version\":2", "\"version\":3"), "a history of format 3, not 1 to 2"),
        (MADE.replace("\"version\":2", "\"version\":0"), "a history of format 0, not 1 to 2"),
        (MADE.replace("\"version\":2,", ""), "missing field `version`"),
        (MADE.replace("\"mixed\":true,", ""), "epoch 1 without \"mixed\" in format 2"),
        (MADE.replace("\"version\":2", "\"version\":1"), "epoch 1 with \"mixed\" in format 1"),
        (MADE.replace("\"at\":[0.3333333333333333,", "\"at\":["), "columns of steps that are [2, 3, 3] long"),
        (
            MADE.replace("0.3333333333333333,1.0", "1.0,0.5"),
            "step 2 that does not come after the one before it",
        ),
        (MADE.replace("\"epoch\":2", "\"epoch\":3"), "epoch 3 in the place of epoch 2"),
        (MADE.replace("\"accuracy\":1.0", "\"z\":1.0"), "metric \"z\" twice in epoch 1"),
        (MADE.replace("\"index\":9", "\"index\":3"), "skipped samples out of order at 3"),
        (MADE.replace("\"seconds\":1.5", "\"seconds\":\"long\""), "\"long\" in the place of a number"),
        (MADE.replace("\"seconds\":1.5", "\"minutes\":1.5"), "unknown field `minutes`"),
        (MADE.replace("\"skipped\":0", "\"skipped\":-1"), "line 6"),
        ("[1, 2]".into(), "fault"),
        ("{\"loss\": 3}".into(), "missing field `sconce`"),
        (String::new(), "EOF"),
    ];
    for (text, part) in cases {
        let error = History::from_json(&text).expect_err(part).to_string();
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
}

#[test]
fn a_table_of_epochs_keeps_its_columns() -> Result<()> {
    let history = History::from_json(MADE)?;
    insta::assert_snapshot!(history.to_csv(), @r#"
    epoch,train_loss,valid_loss,learning_rate,skipped,seconds,images_per_second,train_z,valid_z,train_accuracy,valid_accuracy,"train_say ""a, b""","valid_say ""a, b"""
    1,0.1,,0.001,2,5e-324,inf,0.30000000000000004,,1.0,,,
    2,-0.0,1.7976931348623157e308,1e-7,0,1.5,12.0,0.5,,,,,0.25
    "#);
    insta::assert_snapshot!(history.steps_to_csv(), @r"
    step,epoch,loss,learning_rate
    1,0.3333333333333333,2.302585092994046,0.001
    2,1.0,0.1,0.001
    3,2.0,-inf,1e-7
    ");
    Ok(())
}

#[test]
fn files_are_written_and_read() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let history = History::from_json(MADE)?;
    let json = folder.path().join("history.json");
    history.save_json(&json)?;
    assert_eq!(History::load_json(&json)?, history);
    history.save_csv(folder.path().join("epochs.csv"))?;
    history.save_steps_csv(folder.path().join("steps.csv"))?;
    assert_eq!(std::fs::read_to_string(folder.path().join("epochs.csv")).unwrap(), history.to_csv());
    assert_eq!(std::fs::read_to_string(folder.path().join("steps.csv")).unwrap(), history.steps_to_csv());

    std::fs::write(&json, &MADE.as_bytes()[..300]).unwrap();
    let error = History::load_json(&json).expect_err("it was cut off").to_string();
    assert!(error.contains("history.json") && error.contains("save_json"), "{error}");
    std::fs::write(&json, [0xff, 0xfe, 0x00]).unwrap();
    assert!(History::load_json(&json).expect_err("no text").to_string().contains("no text"));
    let missing = History::load_json(folder.path().join("none.json")).expect_err("there is none").to_string();
    assert!(missing.contains("none.json"), "{missing}");
    Ok(())
}

#[test]
fn the_learning_rate_is_drawn_where_it_changes() -> Result<()> {
    let mut learner = learner()?;
    let text = learner.fit(1)?.curves().text();
    assert!(!text.contains("learning rate"), "{text}");
    learner.set_learning_rate(0.01)?;
    let history = learner.fit(1)?;
    let text = history.curves().text();
    assert!(text.contains("learning rate") && text.contains("0.01"), "{text}");
    assert!(history.rich().forms.iter().any(|(mime, _)| mime == "text/html"));
    Ok(())
}

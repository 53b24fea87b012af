//! Runs are kept in folders, opened and compared.

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use sconce::data::{DataSplit, Dataset};
use sconce::losses::{cross_entropy, focal};
use sconce::nn::Model;
use sconce::optim::{ReduceOnPlateau, cosine};
use sconce::prelude::{Learner, Result, Seed, Split, accuracy, adamw, sgd};
use sconce::rich::Rich;
use sconce::train::{Callback, Control, EpochEnd, Monitor, Run, RunRecord, compare};
use sconce::transforms::MixUp;

/// Images of 1 x 4 x 4 with noise, the left half brighter in class 0 and the right half in class 1.
fn halves(images: usize, seed: u64) -> Dataset {
    let mut rng = Seed(seed).rng();
    let labels: Vec<u32> = (0..images as u32).map(|at| at % 2).collect();
    let mut pixels = Vec::with_capacity(images * 16);
    for &label in &labels {
        for column in (0..4).cycle().take(16) {
            let bright = (column < 2) == (label == 0);
            pixels.push(0.5 * rng.uniform_f32() + if bright { 0.5 } else { 0.0 });
        }
    }
    let images = Tensor::from_vec(pixels, (images, 1, 4, 4), &Device::Cpu).unwrap();
    Dataset::new(images, &labels, &["left", "right"]).unwrap().named("halves")
}

fn learner(lr: f64, seed: u64) -> Learner {
    let data = DataSplit { train: halves(50, 1), valid: halves(20, 2), test: halves(30, 3) };
    let net =
        Model::build([1, 4, 4], |x| x.flatten().linear(2)).unwrap().init(Seed(7), &Device::Cpu).unwrap();
    Learner::new(net, data).optimizer(adamw(lr)).metric(accuracy()).batch_size(16).seed(Seed(seed))
}

/// Trains for two epochs and opens what was kept.
fn kept(folder: &Path, learner: Learner) -> (Learner, Run) {
    let record = RunRecord::new(folder).unwrap();
    let folder = record.folder().to_owned();
    let mut learner = learner.callback(record);
    learner.fit(2).unwrap();
    (learner, Run::open(folder).unwrap())
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn a_run_is_kept_with_all_that_it_follows_from() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("runs").join("first");
    let (learner, mut run) = kept(&folder, learner(0.02, 5).loss(cross_entropy().label_smoothing(0.1)));
    assert_eq!((run.folder(), run.name().as_str()), (folder.as_path(), "first"));
    assert_eq!(run.history(), learner.history());
    assert_eq!(run.ending(), Some("complete"));
    let wanted = [
        ("model.parameters", "34"),
        ("loss.name", "cross-entropy"),
        ("loss.label_smoothing", "0.1"),
        ("optimizer.name", "adamw"),
        ("optimizer.lr", "0.02"),
        ("training.seed", "5"),
        ("training.batch_size", "16"),
        ("training.metrics", "accuracy"),
        ("data.name", "halves"),
        ("data.train_images", "50"),
        ("data.train_fingerprint", &learner.data().train.fingerprint().unwrap()),
        ("data.test_fingerprint", &learner.data().test.fingerprint().unwrap()),
        ("machine.sconce", env!("CARGO_PKG_VERSION")),
        ("machine.device", "cpu"),
    ];
    for (name, value) in wanted {
        assert_eq!(run.setting(name), Some(value), "{name} of {:?}", run.settings());
    }
    assert!(run.setting("git.state").is_some_and(|state| !state.is_empty()));
    assert_eq!(read(&folder, "epochs.csv"), learner.history().to_csv());
    assert_eq!(read(&folder, "steps.csv"), learner.history().steps_to_csv());
    assert_eq!(read(&folder, "model.txt"), learner.model().unwrap().summary().text());

    let evaluation = learner.evaluate(Split::Test).unwrap();
    run.save_evaluation(&evaluation).unwrap();
    let again = Run::open(&folder).unwrap();
    assert_eq!(again, run);
    let [kept] = again.evaluations() else { panic!("{:?}", again.evaluations()) };
    assert_eq!((kept.part.as_str(), kept.images, kept.loss), ("test", 30, evaluation.loss()));
    assert_eq!(kept.metrics, evaluation.metrics());
    assert_eq!(&kept.confusion, evaluation.confusion_counts());
    assert_eq!(kept.confusion.counts(), evaluation.confusion_matrix().counts());
    assert_eq!(kept.class_names, ["left", "right"]);
    let text = again.rich().plain().unwrap().to_owned();
    for part in ["optimizer.lr", "evaluated test accuracy", "best valid loss", "complete"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn a_run_never_writes_over_another() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("run");
    let (_, first) = kept(&folder, learner(0.02, 5));
    let before = read(&folder, "run.json");
    let (_, second) = kept(&folder, learner(0.3, 5));
    assert_eq!(second.folder(), above.path().join("run-2"));
    assert_eq!(read(&folder, "run.json"), before);
    assert_eq!(Run::open(&folder).unwrap(), first);
    // Nor into a folder that somebody has made.
    std::fs::create_dir(above.path().join("made")).unwrap();
    assert_eq!(RunRecord::new(above.path().join("made")).unwrap().folder(), above.path().join("made-2"));
}

/// Opens a run after each epoch.
struct LookingOn {
    folder: PathBuf,
}

impl Callback for LookingOn {
    fn on_epoch_end(&mut self, end: &EpochEnd) -> Result<Control> {
        let run = Run::open(&self.folder)?;
        assert_eq!(run.ending(), Some("running"));
        if end.epoch.epoch == 1 {
            assert_eq!(run.history(), end.learner.history(), "the first epoch is written at once");
            assert_eq!(read(&self.folder, "epochs.csv"), end.learner.history().to_csv());
        }
        Ok(Control::GoOn)
    }
}

#[test]
fn a_run_can_be_looked_at_while_it_goes_on() {
    let above = tempfile::tempdir().unwrap();
    let record = RunRecord::new(above.path().join("run")).unwrap();
    let folder = record.folder().to_owned();
    let mut learner = learner(0.02, 5).callback(record).callback(LookingOn { folder: folder.clone() });
    learner.fit(3).unwrap();
    assert_eq!(Run::open(folder).unwrap().history(), learner.history());
}

#[test]
fn each_fit_is_noted_with_what_was_changed_before_it() {
    let above = tempfile::tempdir().unwrap();
    let (mut learner, _) = kept(&above.path().join("run"), learner(0.02, 5));
    learner.set_learning_rate(0.005).unwrap();
    learner.fit(1).unwrap();
    let run = Run::open(above.path().join("run")).unwrap();
    assert_eq!(run.history().len(), 3);
    let text = run.table().text();
    let line = text.lines().find(|line| line.contains("in fit 2")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("optimizer.learning_rate_at_begin") && line.contains("0.005"), "{line}");
    assert_eq!(run.setting("optimizer.lr"), Some("0.02"), "what the run began with stays");

    // A setting that is gone is a change too.
    let (learner, _) = kept(&above.path().join("clipped"), self::learner(0.02, 5).clip_norm(1.0));
    learner.loss(focal()).clip_value(1.0).fit(1).unwrap();
    let text = Run::open(above.path().join("clipped")).unwrap().table().text();
    for (name, value) in
        [("loss.name", "focal"), ("loss.label_smoothing", "none"), ("training.clipping", "Value")]
    {
        let found = text.lines().find(|line| line.starts_with(&format!("{name} in fit 2")));
        assert!(found.is_some_and(|line| line.contains(value)), "{name} of {text}");
    }
}

#[test]
fn how_a_run_ended_is_kept() {
    let above = tempfile::tempdir().unwrap();
    struct Failing;
    impl Callback for Failing {
        fn on_epoch_end(&mut self, _: &EpochEnd) -> Result<Control> {
            Err(sconce::Error::Input { op: "input", prompt: "go on?".into(), problem: "nobody there".into() })
        }
    }
    let record = RunRecord::new(above.path().join("run")).unwrap();
    let folder = record.folder().to_owned();
    let error = learner(0.02, 5).callback(Failing).callback(record).fit(2).unwrap_err().to_string();
    let run = Run::open(&folder).unwrap();
    assert_eq!(run.ending(), Some(format!("failed: {error}").as_str()));
    assert!(run.rich().plain().unwrap().contains("nobody there"));

    struct Enough;
    impl Callback for Enough {
        fn on_epoch_end(&mut self, _: &EpochEnd) -> Result<Control> {
            Ok(Control::Stop("enough".into()))
        }
    }
    let (_, run) = kept(&above.path().join("stopped"), learner(0.02, 5).callback(Enough));
    assert_eq!((run.ending(), run.history().len()), (Some("stopped: enough"), 1));
}

#[test]
fn a_run_that_was_stopped_goes_on_in_its_folder() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("run");
    let (_, first) = kept(&folder, learner(0.02, 5));
    // Another process would load a checkpoint; a learner that makes the same steps again has the same history.
    let mut again = learner(0.02, 5);
    again.fit(2).unwrap();
    let mut again = again.callback(RunRecord::resume(&folder).unwrap());
    again.fit(1).unwrap();
    let run = Run::open(&folder).unwrap();
    assert_eq!(run.history(), again.history());
    assert_eq!(run.history().step_losses()[..8], first.history().step_losses());
    assert_eq!(run.setting("training.seed"), Some("5"));
    // Somebody may be working in the repository meanwhile.
    let changes = |fit: &str| -> Vec<String> {
        let text = Run::open(&folder).unwrap().table().text();
        let lines = text.lines().filter(|line| line.contains(fit) && !line.starts_with("git."));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(changes("in fit 2"), [""; 0], "nothing has changed");

    // Other data under the same settings do not go unnoticed, nor that the program had crashed.
    let text = read(&folder, "run.json");
    std::fs::write(
        folder.join("run.json"),
        text.replace("\"ending\":\"complete\"", "\"ending\":\"running\""),
    )
    .unwrap();
    assert_eq!(Run::open(&folder).unwrap().ending(), Some("running"));
    let mut data = learner(0.02, 5).data().clone();
    data.train = halves(50, 9).named("halves");
    let net =
        Model::build([1, 4, 4], |x| x.flatten().linear(2)).unwrap().init(Seed(7), &Device::Cpu).unwrap();
    let other =
        Learner::new(net, data).optimizer(adamw(0.02)).metric(accuracy()).batch_size(16).seed(Seed(5));
    other.callback(RunRecord::resume(&folder).unwrap()).fit(1).unwrap();
    let changed = changes("in fit 3");
    assert!(changed.len() == 1 && changed[0].starts_with("data.train_fingerprint"), "{changed:?}");
    assert!(read(&folder, "run.json").contains("\"ending\":\"cut off\""));
    let error = RunRecord::resume(above.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("none") && error.contains("run.json"), "{error}");
}

#[test]
fn files_that_are_no_run_are_named() {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("run");
    let (learner, mut run) = kept(&folder, learner(0.02, 5));
    run.save_evaluation(&learner.evaluate(Split::Valid).unwrap()).unwrap();
    let error = Run::open(above.path()).unwrap_err().to_string();
    assert!(error.contains("run.json") && error.contains("RunRecord"), "{error}");

    let damaged = |name: &str, change: &dyn Fn(&str) -> String, part: &str| {
        let whole = read(&folder, name);
        std::fs::write(folder.join(name), change(&whole)).unwrap();
        let error = Run::open(&folder).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(part), "{part:?} is not in {error:?}");
        std::fs::write(folder.join(name), whole).unwrap();
        assert_eq!(Run::open(&folder).unwrap(), run);
    };
    for name in ["run.json", "history.json", "evaluation-valid.json"] {
        damaged(name, &|text| text[..text.len() / 2].to_owned(), "EOF");
        let version = |text: &str| text.replacen("\"version\":", "\"version\":9", 1);
        damaged(name, &version, "format 9");
        damaged(name, &|text| text.replace("\"sconce\":\"", "\"sconce\":\"x"), "of Sconce");
        damaged(name, &|text| text.replacen("{", "{\"more\":1,", 1), "unknown field `more`");
    }
    let pairs = |text: &str, with: &str| {
        let (before, _) = text.split_once("\"confusion\":").unwrap();
        format!("{before}\"confusion\":{with}}}")
    };
    for (with, part) in [
        ("[[0,2,1]]", "[0, 2, 1] in the place of a pair of 2 classes"),
        ("[[0,1,0]]", "[0, 1, 0] in the place"),
        ("[[1,0,1],[0,1,1]]", "[0, 1, 1] in the place"),
        ("[[1,1]]", "[1, 1] in the place"),
    ] {
        damaged("evaluation-valid.json", &|text| pairs(text, with), part);
    }
    // What format 1 said of the same counts.
    let name = "evaluation-valid.json";
    let whole = read(&folder, name);
    let first = |rows: &str| pairs(&whole, rows).replacen("\"version\":2", "\"version\":1", 1);
    std::fs::write(folder.join(name), first("[[3,0],[1,4]]")).unwrap();
    assert_eq!(Run::open(&folder).unwrap().evaluations()[0].confusion.counts(), [3, 0, 1, 4]);
    std::fs::write(folder.join(name), &whole).unwrap();
    damaged(name, &|_| first("[[3,0]]"), "not 2 x 2");
    damaged("run.json", &|text| text.replace("\"until\":2", "\"until\":-2"), "fault");
}

#[test]
fn two_runs_are_compared() {
    let above = tempfile::tempdir().unwrap();
    let (learner_a, mut a) = kept(&above.path().join("a"), learner(0.02, 5));
    let (_, b) = kept(&above.path().join("b"), learner(0.1, 6).loss(focal()));
    a.save_evaluation(&learner_a.evaluate(Split::Test).unwrap()).unwrap();
    let both = compare(&[a.clone(), b.clone()]).unwrap();
    insta::assert_snapshot!(both.differences().text(), @r"
    setting               a              b
    --------------------  -------------  -----
    loss.name             cross-entropy  focal
    loss.gamma            –              2.0
    loss.label_smoothing  0.0            –
    loss.ignore_index     None           –
    optimizer.lr          0.02           0.1
    training.seed         5              6
    ");
    let text = both.results().text();
    for name in ["epochs", "train loss", "valid loss", "valid accuracy", "best valid loss"] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name:?} is not in {text}");
    }
    let tested = text.lines().find(|line| line.starts_with("evaluated test loss")).unwrap();
    assert!(tested.ends_with('–'), "b was not evaluated: {tested}");
    let curves = both.curves().text();
    assert!(curves.contains("valid loss") && curves.contains("valid accuracy"), "{curves}");
    assert!(both.rich().plain().unwrap().contains("other settings are the same"));
    assert!(both.rich().forms.iter().any(|(mime, _)| mime == "text/html"));

    std::fs::create_dir(above.path().join("no run")).unwrap();
    assert_eq!(Run::all(above.path()).unwrap(), [a.clone(), b.clone()]);
    assert!(Run::all(above.path().join("none")).unwrap_err().to_string().contains("none"));

    assert!(compare(&[a.clone()]).unwrap_err().to_string().contains("at least two runs"));
    assert!(compare(&[a.clone(), b, a]).unwrap_err().to_string().contains("twice"));
}

#[test]
fn the_same_settings_give_the_same_run() {
    let above = tempfile::tempdir().unwrap();
    let (_, a) = kept(&above.path().join("x").join("run"), learner(0.02, 5));
    let (_, b) = kept(&above.path().join("y").join("run"), learner(0.02, 5));
    assert_eq!(a.history().step_losses(), b.history().step_losses());
    let both = compare(&[a, b]).unwrap();
    let text = both.rich().plain().unwrap().to_owned();
    assert!(both.differences().is_empty() && text.starts_with("all "), "{text}");
    assert!(
        text.contains("x/run") && text.contains("y/run"),
        "folders of the same name are told apart: {text}"
    );
}

#[test]
fn every_optimizer_and_loss_is_told() {
    let above = tempfile::tempdir().unwrap();
    let (_, run) = kept(
        &above.path().join("run"),
        learner(0.1, 1).optimizer(sgd(0.1).momentum(0.9)).loss(focal().gamma(3.0)),
    );
    assert_eq!(run.setting("optimizer.name"), Some("sgd"));
    assert_eq!(run.setting("optimizer.momentum"), Some("0.9"));
    assert_eq!(run.setting("loss.gamma"), Some("3.0"));

    let learner = learner(0.1, 1).schedule(cosine().warmup(3)).ema(0.99).clip_norm(2.0).accumulate(2);
    let learner = learner.reduce_on_plateau(ReduceOnPlateau::default(), Monitor::metric("accuracy"));
    let learner = learner.batch_transform(MixUp::new(2).alpha(0.3));
    let (_, run) = kept(&above.path().join("all"), learner);
    for (name, part) in [
        ("training.schedule_counts", "steps"),
        ("training.ema_decay", "0.99"),
        ("training.clipping", "Norm(2.0)"),
        ("training.accumulate", "2"),
        ("training.batch_transform_1", "MixUp"),
        ("training.plateau", "ReduceOnPlateau"),
    ] {
        assert!(
            run.setting(name).is_some_and(|value| value.contains(part)),
            "{name} of {:?}",
            run.settings()
        );
    }
    let of = |part: &str| {
        let settings = run.settings().iter().filter(|(name, _)| name.starts_with(part));
        settings.map(|(name, value)| format!("{name} {value}\n")).collect::<String>()
    };
    assert!(of("training.schedule").contains("Cosine"), "{}", of("training.schedule"));
    assert!(of("training.plateau_of").contains("accuracy"), "{}", of("training.plateau_of"));
}

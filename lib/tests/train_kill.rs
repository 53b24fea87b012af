//! Whatever ends a process that trains, and whenever: the last checkpoint is whole, and training goes on from it as if nothing had
//! been.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

#[path = "small/mod.rs"]
mod small;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use sconce::Result;
use sconce::prelude::{Learner, Seed};
use sconce::train::{Callback, Checkpoints, Control, StepEnd};
use small::{bits, learner};

/// In a process that is to train in this folder.
const FOLDER: &str = "SCONCE_TEST_TRAIN_IN";
const KILLS: usize = 200;

fn training(folder: &Path) -> Result<Learner> {
    Ok(learner()?.ema(0.9).callback(Checkpoints::new(folder).every_steps(1)))
}

fn last(folder: &Path) -> PathBuf {
    folder.join("last.safetensors")
}

/// Not a test of its own: what the processes do that the others start.
#[test]
fn trains_in_a_process_of_its_own() -> Result<()> {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return Ok(()) };
    let mut learner = training(&folder)?;
    if last(&folder).exists() {
        learner.load(last(&folder))?;
    }
    learner.fit(1_000_000).map(|_| ())
}

fn child(folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "trains_in_a_process_of_its_own", "--nocapture"]).env(FOLDER, folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A process that does not outlive this.
struct Mortal(Child);

impl Drop for Mortal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct StopAfter(usize);

impl Callback for StopAfter {
    fn on_step_end(&mut self, end: &StepEnd) -> Result<Control> {
        Ok(if end.total_steps == self.0 { Control::Stop("enough".into()) } else { Control::GoOn })
    }
}

#[test]
fn two_hundred_kills_lose_nothing() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = Seed(11).rng();
    let (mut steps, mut left_over) = (0, 0);
    for kill in 0..KILLS {
        let mut process = Mortal(child(folder.path()).spawn().unwrap());
        // The first ones may have begun to write, or not yet; later ones are within any part of a step.
        let before = steps;
        for wait in 0.. {
            std::thread::sleep(Duration::from_micros(1000 + rng.below(20_000) as u64));
            assert!(wait < 10_000, "nothing is written");
            let Some(state) = last(folder.path()).exists().then(|| loaded(folder.path())).transpose()? else {
                continue;
            };
            steps = state.history().num_steps();
            // Until there is progress, so that all of them together come somewhere.
            if steps > before || kill % 4 == 3 {
                break;
            }
        }
        assert!(process.0.try_wait().unwrap().is_none(), "it ended by itself");
        drop(process);
        let state = loaded(folder.path())?;
        assert!(state.history().num_steps() >= steps, "{} after {steps}", state.history().num_steps());
        steps = state.history().num_steps();
        left_over += names(folder.path()).iter().filter(|name| name.ends_with(".tmp")).count();
    }
    assert!(left_over > 0, "no kill came while a file was being written");

    let state = loaded(folder.path())?;
    let mut undisturbed = learner()?.ema(0.9).callback(StopAfter(steps));
    undisturbed.fit(1_000_000)?;
    assert_eq!(state.history().step_losses(), undisturbed.history().step_losses());
    assert_eq!(bits(&state)?, bits(&undisturbed)?);
    // The one that begins next tidies up.
    let mut next = training(folder.path())?.callback(StopAfter(steps + 1));
    next.load(last(folder.path()))?;
    next.fit(1_000_000)?;
    assert_eq!(names(folder.path()), ["best.safetensors", "last.safetensors"]);
    Ok(())
}

#[test]
fn a_disk_that_is_full_at_any_place_of_the_file_leaves_the_last_one() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    training(folder.path())?.fit(1)?;
    let good = fs::read(last(folder.path())).unwrap();
    // The limit that the shell sets counts blocks of 512 bytes; a process that ignores the signal gets an error.
    let blocks = good.len().div_ceil(512);
    for limit in 0..blocks {
        let program = child(folder.path());
        let output = Command::new("sh")
            .args(["-c", &format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"")])
            .arg(program.get_program())
            .args(program.get_args())
            .env(FOLDER, folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(!output.status.success());
        let text = text(output);
        assert!(text.contains("write") && text.contains("last.safetensors"), "limit {limit}: {text}");
        assert!(fs::read(last(folder.path())).unwrap() == good, "limit {limit}");
        assert_eq!(names(folder.path()), ["best.safetensors", "last.safetensors"]);
    }
    assert_eq!(loaded(folder.path())?.history().len(), 1);
    Ok(())
}

/// A learner with what the folder holds.
fn loaded(folder: &Path) -> Result<Learner> {
    let mut learner = learner()?.ema(0.9);
    learner.load(last(folder))?;
    Ok(learner)
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn text(output: Output) -> String {
    [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
}

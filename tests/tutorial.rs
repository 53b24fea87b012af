//! The notebooks of the tutorial, executed by the README's own command: what a person gets to see.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::process::Command;

use sconce_tests::{onnxruntime, prepare, root, sconce, sconce_path, stderr};
use serde_json::Value;

/// The seconds that the cells whose first line starts so took, by the lines of progress.
fn seconds_of(progress: &str, first_line: &str) -> f64 {
    let of_line = |line: &str| {
        let (_, rest) = line.strip_prefix("cell ")?.split_once("  ")?;
        rest.starts_with(first_line).then_some(())?;
        rest.strip_suffix(" s")?.rsplit_once(' ')?.1.parse::<f64>().ok()
    };
    let times: Vec<f64> = progress.lines().filter_map(of_line).collect();
    assert!(!times.is_empty(), "no cell starts with `{first_line}`:\n{progress}");
    times.iter().sum()
}

/// Executes a notebook of the tutorial and looks at its outputs; these cells must show pictures. Gives the lines of
/// progress.
fn execute(name: &str, pictures: &[&str]) -> String {
    execute_with(name, pictures, |command| command)
}

/// The same, with what the notebook needs set on the command.
fn execute_with(name: &str, pictures: &[&str], set: impl Fn(&mut Command) -> &mut Command) -> String {
    prepare().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("executed.ipynb");
    let mut command = sconce().unwrap();
    command.args(["run", name, "-o"]).arg(&path).current_dir(root());
    let output = set(&mut command).output().unwrap();
    let progress = stderr(&output);
    assert!(output.status.success(), "{progress}");
    let file: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let cells = file["cells"].as_array().unwrap();
    for &id in pictures {
        let cell = cells.iter().find(|cell| cell["id"] == id).unwrap_or_else(|| panic!("no cell `{id}`"));
        let mut outputs = cell["outputs"].as_array().unwrap().iter();
        assert!(outputs.any(|output| has_picture(&output["data"])), "cell `{id}` shows no picture");
    }
    for cell in cells.iter().filter(|cell| cell["cell_type"] == "code") {
        for output in cell["outputs"].as_array().unwrap() {
            assert_ne!(output["output_type"], "error", "{output}");
            let data = &output["data"];
            assert!(data.is_null() || data["text/plain"].is_array(), "no text beside {output}");
        }
    }
    progress
}

#[test]
fn the_quickstart_trains_a_good_model() {
    // The notebook itself asserts an accuracy of at least 98 % on the test part.
    let pictures = ["data", "fit", "history", "confusion", "image", "feature-maps"];
    let progress = execute("notebooks/01_quickstart.ipynb", &pictures);
    let training =
        seconds_of(&progress, "learner.fit(") + seconds_of(&progress, "learner.set_learning_rate(");
    // A time is told, not asserted: it says as much about the machine as about the code.
    println!("training took {training:.1} s; the quickstart promises less than 60 s on two cores");
}

#[test]
fn data_go_from_files_to_batches() {
    // The notebook itself asserts that it finds most of the labels that it made wrong.
    let pictures = ["digits", "shapes", "preview", "attach", "detection", "doubt"];
    execute("notebooks/02_data.ipynb", &pictures);
}

#[test]
fn two_scripts_learn_by_hand_as_with_a_learner() {
    // The notebook itself asserts that both ways give the same, that a run which was stopped gives the same losses, and an
    // accuracy of at least 96 % with one cycle.
    let pictures = [
        "one-data",
        "one-learner",
        "two-folder",
        "two-learner",
        "rate",
        "schedule",
        "cycle",
        "reliability",
        "early",
        "compare",
    ];
    let progress = execute("notebooks/03_training.ipynb", &pictures);
    let scripts: f64 =
        ["let none = train", "let net = network"].map(|line| seconds_of(&progress, line)).iter().sum();
    println!("the two scripts took {scripts:.1} s, each with a learner and by hand");
}

#[test]
fn a_model_from_the_shelf_learns_digits() {
    // The notebook itself asserts an accuracy of at least 90 % after four epochs.
    let pictures = ["diagram", "fit", "evaluate", "stages"];
    execute("notebooks/04_models.ipynb", &pictures);
}

#[test]
fn a_small_detr_finds_shapes() {
    // The notebook itself asserts an AP of at least 0.5 at an IoU of 0.5.
    let pictures = ["data", "train", "untrained", "found", "guesses"];
    let progress = execute("notebooks/05_detection.ipynb", &pictures);
    println!("training took {:.1} s", seconds_of(&progress, "let epochs"));
}

#[test]
fn maps_of_what_a_model_looks_at_pass_their_tests() {
    // The notebook itself asserts that attributions add up, and less area under deletion than under insertion.
    let pictures = [
        "worst",
        "filters",
        "maps",
        "cam",
        "integrated",
        "smooth",
        "occlusion",
        "neighbours",
        "transformer",
        "rollout",
        "deletion",
    ];
    execute("notebooks/06_inside.ipynb", &pictures);
}

/// Whether a picture is among the forms of a display: on its own, or inside its HTML.
fn has_picture(data: &Value) -> bool {
    let html: String = data["text/html"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    ["image/png", "image/svg+xml"].iter().any(|mime| !data[*mime].is_null())
        || html.contains("<svg")
        || html.contains("src=\"data:image/")
}

#[test]
fn a_model_becomes_smaller_in_four_ways() {
    // The notebook itself asserts that half of the multiply-adds cost next to no accuracy, and that integers come back from a
    // file bit for bit.
    let pictures = ["sensitivity", "layers", "distil", "compare"];
    execute("notebooks/07_compress.ipynb", &pictures);
}

#[test]
fn a_model_leaves_the_notebook() {
    // The notebook itself asserts that onnxruntime and the server give what the model gives.
    let library = onnxruntime::library().unwrap();
    // Where a person has `sconce`: on the path.
    let beside = sconce_path().unwrap().parent().unwrap().display();
    let path = format!("{beside}:{}", std::env::var("PATH").unwrap());
    execute_with("notebooks/08_ship.ipynb", &["picture"], |command| {
        command.env("ORT_DYLIB_PATH", &library).env("PATH", &path)
    });
}

//! How long help while typing takes: from the first question to the first method, and then question by question.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Kernel, resident_mib};
use super::{FIRST_TENSOR, Failed, line, percentile};

/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(300);
/// How long everything may take to be read.
const PATIENCE: Duration = Duration::from_secs(120);
const QUESTIONS: usize = 60;
/// How often a person is thought to press Tab while everything is read.
const AGAIN: Duration = Duration::from_millis(100);

const LEARNER: &str = "use sconce::prelude::*;
let data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
let net = Model::build([1, 8, 8], |x| x.flatten().linear(10))?.init(Seed(42), &Device::Cpu)?;
let mut learner = Learner::new(net, data).loss(cross_entropy()).optimizer(adamw(1e-3)).metric(accuracy());";

/// What is typed, and a name that has to be offered.
const TENSOR: &[(&str, &str)] = &[
    ("t.", "matmul"),
    ("let y = t.mat", "matmul"),
    ("println!(\"{}\", t.sum", "sum_all"),
    ("t.t()?.", "reshape"),
];
const OF_LEARNER: &[(&str, &str)] = &[
    ("learner.", "fit"),
    ("learner.ev", "evaluate"),
    ("let e = learner.evaluate(Split::Test)?.", "confusion_matrix"),
];
const PATHS: &[(&str, &str)] =
    &[("Tensor::", "zeros"), ("use sconce::", "prelude"), ("candle_core::DTy", "DType")];

/// Asks a kernel, as a client would.
pub async fn typing(command: &mut Command) -> Result<(), Failed> {
    let until = Instant::now() + LIMIT;
    let mut kernel = Kernel::start(command, until).await?;
    kernel.run(FIRST_TENSOR, until).await?;
    kernel.run(LEARNER, until).await?;

    let begun = Instant::now();
    while !offers(&complete(&mut kernel, "t.", until).await?.0, "matmul") {
        if begun.elapsed() > PATIENCE {
            return Err("no methods are completed: is sconce-assist built? `sconce doctor` says so".into());
        }
        tokio::time::sleep(AGAIN).await;
    }
    line("typing/first_method", "s", 30.0, Some(begun.elapsed().as_secs_f64()), None);

    let mut missed = Vec::new();
    for (name, questions) in [("tensor", TENSOR), ("learner", OF_LEARNER), ("paths", PATHS)] {
        let mut times = Vec::new();
        for n in 0..QUESTIONS {
            let (typed, wanted) = questions[n % questions.len()];
            // What is typed differs each time, so that nothing is answered from memory.
            let code = format!("let number_{n} = {n};\n{typed}");
            let (found, time) = complete(&mut kernel, &code, until).await?;
            times.push(time.as_secs_f64() * 1000.0);
            if !offers(&found, wanted) {
                missed.push(typed.to_owned());
            }
        }
        line(&format!("typing/{name}_first"), "ms", 300.0, times.first().copied(), None);
        line(&format!("typing/{name}_median"), "ms", 300.0, percentile(&times, 0.5), None);
        line(&format!("typing/{name}_p95"), "ms", 300.0, percentile(&times, 0.95), None);
    }

    // A cell that has just ended changes what is known.
    let mut times = Vec::new();
    for n in 0..10 {
        kernel.run(&format!("fn made_{n}(x: &Tensor) -> candle_core::Result<Tensor> {{ x + {n}. }}\nlet u_{n} = made_{n}(&t)?;"), until).await?;
        let (found, time) = complete(&mut kernel, &format!("u_{n}."), until).await?;
        times.push(time.as_secs_f64() * 1000.0);
        if !offers(&found, "matmul") {
            missed.push(format!("u_{n}."));
        }
    }
    line("typing/after_a_cell_median", "ms", 300.0, percentile(&times, 0.5), None);
    line("typing/after_a_cell_p95", "ms", 300.0, percentile(&times, 0.95), None);
    line("typing/missed", "answers without the name", 0.0, Some(missed.len() as f64), None);
    missed.sort();
    missed.dedup();
    if !missed.is_empty() {
        println!("{}", json!({"name": "typing/missed", "note": missed}));
    }
    line("typing/memory", "MiB", 2048.0, assistant(kernel.id()).and_then(resident_mib), None);
    line("typing/kernel_memory", "MiB", 60.0, kernel.resident_mib(), None);
    Ok(())
}

async fn complete(kernel: &mut Kernel, code: &str, until: Instant) -> Result<(Value, Duration), Failed> {
    let content = json!({"code": code, "cursor_pos": code.chars().count()});
    kernel.reply("complete_request", &content, until).await
}

fn offers(found: &Value, name: &str) -> bool {
    let matches = found["matches"].as_array();
    matches.into_iter().flatten().any(|offered| offered.as_str().is_some_and(|offered| offered == name))
}

/// The number of the kernel's assistant.
fn assistant(kernel: u32) -> Option<u32> {
    let tasks = std::fs::read_dir(Path::new("/proc").join(kernel.to_string()).join("task")).ok()?;
    let children =
        tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u32> = children
        .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>())
        .collect();
    children.into_iter().find(|child| {
        let name = std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
        name.starts_with("sconce-assist")
    })
}

//! The number of threads: who asks for it, what it caps, and that results do not depend on it.
//!
//! Each check runs this program again under other environment variables. It has a `main` of its own instead of
//! the test harness, because candle's pool can only be capped while a process has a single thread.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode, Output, Stdio};

use candle_core::{Device, IndexOp, Tensor, Var};
use sconce::nn::{Mode, Model};
use sconce::optim::adamw;
use sconce::{Result, Seed, ops, threads};

/// Names the task of a child process.
const TASK: &str = "SCONCE_TEST_TASK";
const VARIABLES: [&str; 3] = ["SCONCE_NUM_THREADS", "RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"];

fn main() -> ExitCode {
    match std::env::var(TASK).as_deref() {
        Ok("count") => outcome(count()),
        Ok("late") => outcome(late()),
        Ok("relu") => outcome(relu()),
        Ok(path) => outcome(compute(Path::new(path))),
        Err(_) => parent(),
    }
}

/// What a child has to say goes to its stdout, its error too.
fn outcome(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn parent() -> ExitCode {
    let tests: [(&str, fn()); 4] = [
        ("variables_set_the_number", variables_set_the_number),
        ("a_value_that_is_no_number_is_refused", a_value_that_is_no_number_is_refused),
        ("a_pool_that_is_there_already_is_not_passed_over", a_pool_that_is_there_already_is_not_passed_over),
        ("results_do_not_depend_on_the_number", results_do_not_depend_on_the_number),
    ];
    let mut arguments = std::env::args().skip(1);
    let listed = std::env::args().any(|argument| argument == "--list");
    let filter = arguments.find(|argument| !argument.starts_with('-')).unwrap_or_default();
    for (name, test) in tests.into_iter().filter(|(name, _)| name.contains(&filter)) {
        if listed {
            println!("{name}: test");
            continue;
        }
        // A failed one panics, which ends the program with an error.
        test();
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}

/// Runs this program with a task and exactly these variables.
fn child(task: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.env(TASK, task).envs(variables.iter().copied()).stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The threads that compute, those that candle's products go for, and all of the process after candle's
/// pool has started as well.
fn count() -> Result<()> {
    let threads = threads::count()?;
    let many = Tensor::ones(1 << 20, candle_core::DType::F32, &Device::Cpu)?;
    let sum = (&many + &many)?;
    assert_eq!(sum.i(0)?.to_scalar::<f32>()?, 2.0);
    let all = std::fs::read_dir("/proc/self/task").map(Iterator::count).unwrap_or(0);
    println!("{threads} {} {all}", candle_core::utils::get_num_threads());
    Ok(())
}

fn variables_set_the_number() {
    for (variables, wanted) in [
        (&[("SCONCE_NUM_THREADS", "3")][..], 3),
        (&[("RAYON_NUM_THREADS", "3")][..], 3),
        (&[("SCONCE_NUM_THREADS", " 2 "), ("RAYON_NUM_THREADS", "5")][..], 2),
        (&[("SCONCE_NUM_THREADS", "1"), ("RAYON_NUM_THREADS", "nonsense")][..], 1),
        (&[("SCONCE_NUM_THREADS", ""), ("RAYON_NUM_THREADS", "4")][..], 4),
    ] {
        let output = child("count", variables);
        let said = said(&output);
        let counts: Vec<usize> = said.split(' ').map(|count| count.parse().unwrap()).collect();
        assert_eq!(counts[0], wanted, "{variables:?}: {said}");
        if cfg!(target_os = "linux") {
            assert_eq!(counts[1], wanted, "{variables:?}: {said}");
            // The main thread, rayon's, and candle's, where the main thread is one of them.
            assert!(counts[2] <= 2 * wanted, "{variables:?}: {said}");
        }
    }
}

fn relu() -> Result<()> {
    ops::relu(&Tensor::ones(3, candle_core::DType::F32, &Device::Cpu)?)?;
    Ok(())
}

fn a_value_that_is_no_number_is_refused() {
    for (name, value, expected) in [
        ("SCONCE_NUM_THREADS", "two", "at least 1, got \"two\""),
        ("SCONCE_NUM_THREADS", "0", "at least 1, got \"0\""),
        ("SCONCE_NUM_THREADS", "-1", "at least 1, got \"-1\""),
        ("RAYON_NUM_THREADS", "all", "at least 0, got \"all\""),
        ("SCONCE_SIMD", "avx1024", "expected auto, avx512, avx2 or none, got \"avx1024\""),
    ] {
        let output = child("relu", &[(name, value)]);
        let said = said(&output);
        assert!(!output.status.success(), "{name}={value} is taken");
        assert!(said.starts_with(name) && said.contains(expected), "{name}={value}: {said}");
    }
    assert!(child("relu", &[("RAYON_NUM_THREADS", "0"), ("SCONCE_SIMD", "auto")]).status.success());
}

/// A program that uses rayon before the library.
fn late() -> Result<()> {
    rayon::join(|| (), || ());
    relu()
}

fn a_pool_that_is_there_already_is_not_passed_over() {
    let two = ("RAYON_NUM_THREADS", "2");
    let said_by = |threads| said(&child("late", &[two, ("SCONCE_NUM_THREADS", threads)]));
    assert_eq!(said_by("2"), "");
    assert!(said_by("3").contains("expected a pool of 3 threads, got one of 2"), "{}", said_by("3"));
}

/// Output, gradients and weights after three steps of a model large enough to be shared by threads.
fn compute(path: &Path) -> Result<()> {
    let net = Model::build([3, 24, 24], |x| {
        let x = x.conv2d(16, 3).batch_norm().relu().max_pool2d(2);
        let x = x.conv2d(24, 3).batch_norm().relu().dropout(0.2);
        x.global_avg_pool().linear(5)
    })?
    .init(Seed(1), &Device::Cpu)?;
    let mut rng = Seed(2).rng();
    let mut values = |len: usize| -> Vec<f32> { (0..len).map(|_| 2.0 * rng.uniform_f32() - 1.0).collect() };
    let images = Tensor::from_vec(values(6 * 3 * 24 * 24), (6, 3, 24, 24), &Device::Cpu)?;
    let labels = Tensor::new(&[0u32, 1, 2, 3, 4, 0], &Device::Cpu)?;
    let mut results = BTreeMap::from([("output".to_owned(), net.forward(&images, Mode::Eval)?)]);
    let parameters = net.parameters();
    let mut optimizer = adamw(1e-3).build(&parameters)?;
    for step in 0..3 {
        let logits = net.forward(&images, Mode::Train(Seed(step)))?;
        let gradients = ops::softmax_cross_entropy(&logits, &labels, 0.0)?.backward()?;
        for parameter in &parameters {
            let gradient = gradients.get(&parameter.var).unwrap().copy()?;
            results.insert(format!("gradient {step} of {}", parameter.name), gradient);
        }
        optimizer.step(&gradients)?;
    }
    results.extend(net.state()?);
    // Operators that this model has not.
    let [q, k, v] = [0, 1, 2].map(|_| {
        let values = Tensor::from_vec(values(2 * 2 * 96 * 16), (2, 2, 96, 16), &Device::Cpu).unwrap();
        Var::from_tensor(&values).unwrap()
    });
    let ones = Tensor::ones(16, candle_core::DType::F32, &Device::Cpu)?;
    let y = ops::attention(&q, &k, &v)?;
    let y = ops::layer_norm(&y, &ones, &ones.zeros_like()?, 1e-5)?;
    let y = ops::activate(&y, ops::Activation::Gelu)?;
    let gradients = (&y * &y)?.sum_all()?.backward()?;
    for (name, var) in [("q", &q), ("k", &k), ("v", &v)] {
        results.insert(format!("gradient of {name}"), gradients.get(var).unwrap().copy()?);
    }
    results.insert("attention".into(), y.detach());
    candle_core::safetensors::save(&results.into_iter().collect(), path)?;
    Ok(())
}

fn results_do_not_depend_on_the_number() {
    let folder = tempfile::tempdir().unwrap();
    let results = |name: &str, threads: &str| {
        let path = folder.path().join(name);
        let output = child(path.to_str().unwrap(), &[("SCONCE_NUM_THREADS", threads)]);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{threads} threads: {}{err}", said(&output));
        candle_core::safetensors::load(&path, &Device::Cpu).unwrap()
    };
    let one = results("one", "1");
    assert!(one.len() > 30);
    for threads in ["1", "2", "4"] {
        let [first, second] = ["first", "second"].map(|name| results(&format!("{threads} {name}"), threads));
        for (name, wanted) in &one {
            let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let [wanted, first, second] = [values(wanted), values(&first[name]), values(&second[name])];
            let same = first.iter().zip(&second).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{name} changes from run to run with {threads} threads");
            let largest = wanted.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            for (value, wanted) in first.iter().zip(&wanted) {
                let close = (value - wanted).abs() <= 1e-5 * largest;
                assert!(close, "{name}: {value} with {threads} threads, {wanted} with 1");
            }
        }
    }
}

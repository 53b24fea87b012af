//! A Python environment of the tests' own, with the installed kernel and the Jupyter clients in it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

use crate::{prepare, root, sconce};

/// A command of the environment's Python, in the repository's root.
pub fn python() -> Result<Command> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = MADE.get_or_init(|| make().map_err(|error| format!("{error:#}")));
    let environment = made.as_deref().map_err(|message| anyhow::anyhow!("{message}"))?;
    let mut command = Command::new(program(environment));
    command
        .current_dir(root())
        .stdin(Stdio::null())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // Also clients in processes of their own look here first.
        .env("JUPYTER_PATH", environment.join("share/jupyter"));
    Ok(command)
}

/// Runs pytest with these arguments against the installed kernel; all tests have to pass.
pub fn pytest(arguments: &[&str]) -> Result<()> {
    prepare()?;
    let mut command = python()?;
    command.args(["-m", "pytest", "-ra", "-p", "no:cacheprovider"]).args(arguments);
    run(&mut command)
}

/// Runs a command, which has to succeed.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

fn program(environment: &Path) -> PathBuf {
    environment.join("bin/python")
}

/// A command of that environment's Python, in the repository's root.
pub fn python_of(folder: &str, requirements: &str) -> Result<Command> {
    let mut command = Command::new(program(&environment(folder, requirements)?));
    command.current_dir(root()).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// The environment of the clients, with the kernel installed into it.
fn make() -> Result<PathBuf> {
    let environment = environment("python", "requirements.txt")?;
    // One at a time here too.
    let lock = File::create(environment.join("kernel.lock"))?;
    lock.lock().context("the lock of the installed kernel")?;
    run(sconce()?.args(["install", "--no-assist", "--prefix"]).arg(&environment))?;
    Ok(environment)
}

/// An environment of Python, a folder under `target/`, made where it is missing or holds something else than the file
/// `requirements` of this crate asks for.
fn environment(folder: &str, requirements: &str) -> Result<PathBuf> {
    let target = root().join("target");
    let environment = target.join(folder);
    fs::create_dir_all(&target)?;
    // Two runs of the tests share the folder.
    let lock = File::create(target.join(format!("{folder}.lock")))?;
    lock.lock().context("the lock of the Python environment")?;
    let requirements = root().join("tests").join(requirements);
    let required = fs::read(&requirements)?;
    let stamp = environment.join("requirements.txt");
    // An environment whose Python was upgraded or removed starts no more.
    let starts = Command::new(program(&environment)).arg("-c").arg("").status().is_ok_and(|it| it.success());
    if !starts || fs::read(&stamp).ok().as_ref() != Some(&required) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
        let mut pip = Command::new(program(&environment));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        run(pip.arg(requirements))?;
        fs::write(&stamp, required)?;
    }
    Ok(environment)
}

//! Lines that begin with a colon: they speak to the session, not to rustc.

use sconce_display::Bundle;

use super::session::{Session, failure};
use super::{Failure, Output};

const HELP: &str = "\
:vars        the variables between cells and their types
:clear       forget all variables, functions, types and imports
:opt LEVEL   compile cells at this level, 0 to 3; `:opt auto` lets it follow the cell
:timing      show how long cells take to compile and to run, or stop showing it
:help        this text

Every cell can name, without more ado: sconce, candle_core, candle_nn, candle_transformers, image, plotters, \
rand, serde, serde_json, anyhow, tokio.";

/// The commands and what each does, as the help has them.
pub fn commands() -> impl Iterator<Item = (&'static str, &'static str)> {
    HELP.lines().filter(|line| line.starts_with(':')).map(|line| {
        let name = line.split_whitespace().next().unwrap_or_default();
        let about = line.split_once("  ").map_or("", |(_, about)| about.trim());
        (name, about)
    })
}

/// Runs the commands that a cell begins with, and returns the cell with empty lines in their place.
pub fn run(session: &mut Session, code: &str, outputs: &mut dyn FnMut(Output)) -> Result<String, Failure> {
    let mut rest = String::with_capacity(code.len());
    let mut lines = code.split_inclusive('\n');
    for line in lines.by_ref() {
        match line.trim() {
            "" => {}
            command if command.starts_with(':') && !command.starts_with("::") => {
                obey(session, command, outputs)?
            }
            _ => {
                rest.push_str(line);
                break;
            }
        }
        rest.push_str(if line.ends_with('\n') { "\n" } else { "" });
    }
    rest.extend(lines);
    Ok(rest)
}

fn obey(session: &mut Session, command: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
    let mut words = command.split_whitespace();
    let name = words.next().unwrap_or_default();
    let arguments: Vec<&str> = words.collect();
    match (name, arguments.as_slice()) {
        (":help", []) => show(HELP.to_owned(), outputs),
        (":vars", []) => show(variables(session), outputs),
        (":clear", []) => session.clear_all(outputs),
        (":timing", []) => {
            session.timing = !session.timing;
            show(format!("times are {}", if session.timing { "shown" } else { "not shown" }), outputs);
        }
        (":opt", ["auto"]) => session.optimize = None,
        (":opt", [level]) => match level.parse::<u8>() {
            Ok(level @ 0..=3) => session.optimize = Some(level),
            _ => return Err(refuse(&format!(":opt got `{level}`, but wants 0, 1, 2, 3 or auto"))),
        },
        (":dep", _) => {
            return Err(refuse(
                ":dep cannot bring in crates yet; what every cell can name without it stands in :help",
            ));
        }
        _ => return Err(refuse(&format!("`{command}` is no command; :help lists them"))),
    }
    Ok(())
}

fn variables(session: &Session) -> String {
    if session.variables.is_empty() {
        return "no variables".to_owned();
    }
    let width = session.variables.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let lines = session.variables.iter().map(|(name, variable)| format!("{name:width$}  {}", variable.ty));
    lines.collect::<Vec<_>>().join("\n")
}

fn show(text: String, outputs: &mut dyn FnMut(Output)) {
    outputs(Output::Display { id: None, bundle: Bundle::text(text) });
}

fn refuse(message: &str) -> Failure {
    failure("CommandError", message, &format!("\x1b[1;31merror\x1b[0m: {message}"))
}

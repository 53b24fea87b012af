//! Commands that tell something.

use std::process::Stdio;

use sconce_display::{Bundle, Content};

use super::super::session::Session;
use super::super::{Failure, Output};
use super::{COMMANDS, refuse};

/// What the help says before and after the list of commands.
const HEAD: &str = "A cell holds Rust. Before it may stand commands, one a line, and lines for the shell.";
const TAIL: &str = "\
!COMMAND     run a line in the shell; a backslash at its end continues it
%%time       show how long this cell takes

Every cell can name, without more ado: sconce, candle_core, candle_nn, candle_transformers, image, plotters, \
rand, serde, serde_json, anyhow, tokio.";

/// `:help`
pub fn help(_: &mut Session, _: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
    let mut text = format!("{HEAD}\n\n");
    for command in COMMANDS.iter().filter(|command| !command.help.is_empty()) {
        let name = format!("{} {}", command.name, command.argument);
        text.push_str(&format!("{name:<12} {}\n", command.help));
    }
    outputs(Output::Page(Bundle::text(text + TAIL)));
    Ok(())
}

/// `:vars`
pub fn variables(session: &mut Session, _: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
    if session.variables.is_empty() {
        text("no variables".to_owned(), outputs);
        return Ok(());
    }
    let width = session.variables.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    let mut html = String::from("<table><tr><th>Variable</th><th>Type</th></tr>");
    for (name, variable) in &session.variables {
        lines.push(format!("{name:width$}  {}", variable.ty));
        let ty = variable.ty.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        html.push_str(&format!("<tr><td>{name}</td><td><code>{ty}</code></td></tr>"));
    }
    let bundle = Bundle::text(lines.join("\n")).with("text/html", Content::Text(html + "</table>"));
    outputs(Output::Display { id: None, bundle });
    Ok(())
}

/// `:dep` and `:show_deps`
pub fn dependencies(session: &mut Session, _: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
    let lines = session.deps.lines();
    text(
        if lines.is_empty() {
            "no crates but those of every cell".to_owned()
        } else {
            lines.trim_end().to_owned()
        },
        outputs,
    );
    Ok(())
}

/// `:type EXPRESSION`
pub fn type_of(
    session: &mut Session,
    expression: &str,
    outputs: &mut dyn FnMut(Output),
) -> Result<(), Failure> {
    if expression.is_empty() {
        return Err(refuse(":type wants an expression: `:type x`, say"));
    }
    let ty = session.type_of(expression)?;
    text(ty, outputs);
    Ok(())
}

/// `:explain [CODE]`
pub fn explain(session: &mut Session, code: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
    let codes = if code.is_empty() { session.last_codes.clone() } else { vec![code.to_owned()] };
    if codes.is_empty() {
        return Err(refuse(
            "no cell has failed with an error that has an explanation; `:explain E0382` names one",
        ));
    }
    let mut pages = Vec::new();
    for code in codes {
        let mut rustc = std::process::Command::new(&session.prepared.rustc);
        let said = rustc.args(["--explain", &code]).stdin(Stdio::null()).output();
        let said = said.map_err(|error| refuse(&format!("rustc could not be started: {error}")))?;
        if !said.status.success() {
            return Err(refuse(&format!(
                ":explain got `{code}`, but wants the code of an error of rustc, such as E0382"
            )));
        }
        pages.push(format!("{code}: {}", String::from_utf8_lossy(&said.stdout).trim_start()));
    }
    outputs(Output::Page(Bundle::text(pages.join("\n"))));
    Ok(())
}

/// `:last_compile_dir`
pub fn last_compile_dir(
    session: &mut Session,
    _: &str,
    outputs: &mut dyn FnMut(Output),
) -> Result<(), Failure> {
    text(session.folder().display().to_string(), outputs);
    Ok(())
}

/// `:version`
pub fn version(session: &mut Session, _: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
    let mut rustc = std::process::Command::new(&session.prepared.rustc);
    let said = rustc.arg("--version").stdin(Stdio::null()).output();
    let said = said.map_err(|error| refuse(&format!("rustc could not be started: {error}")))?;
    let rustc = String::from_utf8_lossy(&said.stdout);
    text(format!("sconce {}, {}", env!("CARGO_PKG_VERSION"), rustc.trim()), outputs);
    Ok(())
}

/// Shows text.
pub fn text(text: String, outputs: &mut dyn FnMut(Output)) {
    outputs(Output::Display { id: None, bundle: Bundle::text(text) });
}

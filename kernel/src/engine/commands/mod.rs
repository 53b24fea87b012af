//! What a cell says to the session and not to rustc: lines that begin with a colon, `!` or `%%`.

mod foreign;
pub(super) mod head;
mod shell;
mod show;

use self::foreign::{FOREIGN, Foreign};
use self::head::{Line, head};
use super::session::{Session, failure, note_output};
use super::{Failure, Output};

/// Says it to the session.
type Obey = fn(&mut Session, &str, &mut dyn FnMut(Output)) -> Result<(), Failure>;

/// A command.
struct Command {
    name: &'static str,
    /// What may follow, as the help shows it.
    argument: &'static str,
    help: &'static str,
    obey: Obey,
}

const fn command(name: &'static str, argument: &'static str, help: &'static str, obey: Obey) -> Command {
    Command { name, argument, help, obey }
}

/// All commands, in the order of the help.
const COMMANDS: &[Command] = &[
    command(":vars", "", "the variables between cells and their types", show::variables),
    command(
        ":type",
        "EXPRESSION",
        "the type of an expression, which is not run; `:t` for short",
        show::type_of,
    ),
    command(":t", "EXPRESSION", "", show::type_of),
    command(
        ":dep",
        "NAME = …",
        "bring in a crate: `:dep itoa = \"1\"`, `:dep x = { path = \"…\" }`; alone, list them",
        dep,
    ),
    command(":show_deps", "", "the crates that `:dep` brought in", show::dependencies),
    command(":offline", "0|1", "whether `:dep` stays off the network", offline),
    command(":env", "NAME=VALUE", "an environment variable for the cells and the shell", env),
    command(
        ":build_env",
        "NAME=VALUE",
        "an environment variable for building the crates of `:dep`",
        build_env,
    ),
    command(":clear", "", "forget all variables, functions, types, imports and crates", clear),
    command(
        ":restart",
        "",
        "run the next cells in a new worker: variables are lost, functions and types kept",
        restart,
    ),
    command(":opt", "LEVEL", "compile cells at this level, 0 to 3; `:opt auto` lets it follow the cell", opt),
    command(":timing", "", "show how long each cell takes to compile and to run, or stop showing it", timing),
    command(
        ":explain",
        "[CODE]",
        "rustc's explanation of the last error, or of this one: `:explain E0382`",
        show::explain,
    ),
    command(":last_compile_dir", "", "the folder that cells are compiled in", show::last_compile_dir),
    command(":version", "", "the versions of Sconce and of rustc", show::version),
    command(":help", "", "this text", show::help),
];

/// The commands and what each does, as the help has them.
pub fn commands() -> impl Iterator<Item = (&'static str, &'static str)> {
    let listed = COMMANDS.iter().filter(|command| !command.help.is_empty());
    listed.map(|command| (command.name, command.help))
}

/// A cell with empty lines in place of its head's.
pub fn rust(code: &str) -> String {
    head(code).rest
}

/// A cell without its head.
pub struct Rust {
    /// Its text, with empty lines in place of the head's.
    pub text: String,
    /// `%%time` stands at its top.
    pub timed: bool,
}

/// Does what the head of a cell says and returns the rest.
pub fn run(session: &mut Session, code: &str, outputs: &mut dyn FnMut(Output)) -> Result<Rust, Failure> {
    let head = head(code);
    let mut timed = false;
    // Crates that are brought in together agree on versions.
    let mut dependencies = Vec::new();
    for line in &head.lines {
        match line {
            Line::Command { name, argument } if name == ":dep" && !argument.is_empty() => {
                dependencies.push(argument.as_str());
                continue;
            }
            _ => bring_in(session, &mut dependencies, outputs)?,
        }
        match line {
            Line::Command { name, argument } => obey(session, name, argument, outputs)?,
            Line::Shell(command) => shell::run(session, command, outputs)?,
            Line::Magic(text) if text == "%%time" => timed = true,
            Line::Magic(text) => {
                return Err(refuse(&format!(
                    "`{text}` is no magic that is known here: `%%time` is the only one; commands begin with a colon, \
                     `:help` lists them"
                )));
            }
        }
    }
    bring_in(session, &mut dependencies, outputs)?;
    Ok(Rust { text: head.rest, timed })
}

fn bring_in(
    session: &mut Session,
    dependencies: &mut Vec<&str>,
    outputs: &mut dyn FnMut(Output),
) -> Result<(), Failure> {
    let dependencies = std::mem::take(dependencies);
    if dependencies.is_empty() { Ok(()) } else { session.add_dependencies(&dependencies, outputs) }
}

fn obey(
    session: &mut Session,
    name: &str,
    argument: &str,
    outputs: &mut dyn FnMut(Output),
) -> Result<(), Failure> {
    if let Some(command) = COMMANDS.iter().find(|command| command.name == name) {
        if command.argument.is_empty() && !argument.is_empty() {
            return Err(refuse(&format!("{name} got `{argument}`, but stands alone")));
        }
        return (command.obey)(session, argument, outputs);
    }
    match FOREIGN.iter().find(|(foreign, _)| *foreign == name) {
        Some((_, Foreign::Needless(why))) => {
            outputs(note_output(&format!("{name} does nothing here: {why}")))
        }
        Some((_, Foreign::Missing(why))) => return Err(refuse(&format!("there is no {name} here: {why}"))),
        None => return Err(unknown(name)),
    }
    Ok(())
}

fn unknown(name: &str) -> Failure {
    let names = COMMANDS.iter().map(|command| command.name).chain(FOREIGN.iter().map(|(name, _)| *name));
    let nearest = names
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 3);
    match nearest {
        Some((_, known)) => refuse(&format!("`{name}` is no command; did you mean `{known}`?")),
        None => refuse(&format!("`{name}` is no command; :help lists them")),
    }
}

fn clear(session: &mut Session, _: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
    session.clear_all(outputs);
    Ok(())
}

fn dep(session: &mut Session, argument: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
    if argument.is_empty() {
        return show::dependencies(session, argument, outputs);
    }
    session.add_dependencies(&[argument], outputs)
}

fn offline(session: &mut Session, argument: &str, _: &mut dyn FnMut(Output)) -> Result<(), Failure> {
    session.deps.offline = match argument {
        "0" => false,
        "1" => true,
        _ => return Err(refuse(&format!(":offline got `{argument}`, but wants 0 or 1"))),
    };
    Ok(())
}

fn build_env(session: &mut Session, argument: &str, _: &mut dyn FnMut(Output)) -> Result<(), Failure> {
    let (name, value) = assignment(":build_env", argument)?;
    session.deps.environment.insert(name, value);
    Ok(())
}

fn env(session: &mut Session, argument: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
    let (name, value) = assignment(":env", argument)?;
    // The worker that runs now; later ones start with it.
    session.run_aside(&format!("unsafe {{ ::std::env::set_var({name:?}, {value:?}) }};"), outputs)?;
    session.environment.insert(name, value);
    Ok(())
}

/// `NAME` and `VALUE` of `NAME=VALUE`.
fn assignment(command: &str, argument: &str) -> Result<(String, String), Failure> {
    match argument.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() && !argument.contains('\0') => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(refuse(&format!("{command} got `{argument}`, but wants NAME=VALUE"))),
    }
}

fn restart(session: &mut Session, _: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
    session.replace_worker(outputs)
}

fn timing(session: &mut Session, _: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
    session.timing = !session.timing;
    show::text(format!("times are {}", if session.timing { "shown" } else { "not shown" }), outputs);
    Ok(())
}

fn opt(session: &mut Session, level: &str, _: &mut dyn FnMut(Output)) -> Result<(), Failure> {
    session.optimize = match level.parse::<u8>() {
        _ if level == "auto" => None,
        Ok(level @ 0..=3) => Some(level),
        // As the stock kernel has it, the command alone goes from one end to the other.
        _ if level.is_empty() => Some(if session.optimize == Some(0) { 2 } else { 0 }),
        _ => return Err(refuse(&format!(":opt got `{level}`, but wants 0, 1, 2, 3 or auto"))),
    };
    Ok(())
}

/// The error of a command.
pub(super) fn refuse(message: &str) -> Failure {
    failure("CommandError", message, &format!("\x1b[1;31merror\x1b[0m: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_other_words_are_not() {
        assert!(unknown(":var").message.contains("`:vars`"));
        assert!(unknown(":tpye").message.contains("`:type`"));
        assert!(unknown(":frobnicate").message.contains(":help"));
    }

    #[test]
    fn no_command_is_listed_twice() {
        let mut names: Vec<&str> = COMMANDS
            .iter()
            .map(|command| command.name)
            .chain(FOREIGN.iter().map(|(name, _)| *name))
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}

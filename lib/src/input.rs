use std::io::{self, BufRead, Write};

use sconce_display::{Answer, Question};

use crate::{Error, Result};

/// Asks the person who runs this for a line, and returns it without its line break. A notebook shows a field
/// to type in; a plain program asks on its terminal: prompt on stdout, answer from stdin.
///
/// # Errors
/// [`Error::Input`] where nobody can answer or the input has ended, [`Error::Interrupted`] where the person
/// wants the cell to stop.
pub fn input(prompt: impl Into<String>) -> Result<String> {
    let question = Question { prompt: prompt.into(), password: false };
    ask("input", question, |prompt| {
        write!(io::stdout(), "{prompt}")?;
        io::stdout().flush()?;
        line(&mut io::stdin().lock())
    })
}

/// Asks as [`input`] does, and hides what is typed.
///
/// # Errors
/// Those of [`input`]; in a plain program also where there is no terminal that could hide it.
pub fn password(prompt: impl Into<String>) -> Result<String> {
    let question = Question { prompt: prompt.into(), password: true };
    ask("password", question, |prompt| rpassword::prompt_password(prompt))
}

fn ask(
    op: &'static str,
    question: Question,
    terminal: impl FnOnce(&str) -> io::Result<String>,
) -> Result<String> {
    let problem = match sconce_display::ask(question.clone()) {
        Some(Answer::Line(line)) => return Ok(line),
        Some(Answer::Interrupted) => {
            return Err(Error::Interrupted { at: format!("before {:?} was answered", question.prompt) });
        }
        Some(Answer::End) => "the input ended before the answer".to_owned(),
        Some(Answer::Nobody { why }) => format!("nobody can answer: {why}"),
        None => match terminal(&question.prompt) {
            Ok(line) => return Ok(line),
            Err(error) => error.to_string(),
        },
    };
    Err(Error::Input { op, prompt: question.prompt, problem })
}

/// The next line without its line break.
fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the input ended before the answer"));
    }
    let end = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(end);
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_they_end() {
        let mut text = "a b \r\n\nlast".as_bytes();
        let lines: Vec<_> = (0..4).map(|_| line(&mut text).map_err(|error| error.kind())).collect();
        let expected =
            [Ok("a b ".into()), Ok(String::new()), Ok("last".into()), Err(io::ErrorKind::UnexpectedEof)];
        assert_eq!(lines, expected);
    }
}

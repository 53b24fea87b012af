//! Which way of pictures the terminal understands.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcgetwinsize, tcsetattr};

use super::{CellSize, Protocol};

/// What the user wants of pictures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Images {
    /// The way that the terminal understands, if any
    #[default]
    Auto,
    /// Kitty's graphics protocol
    Kitty,
    /// iTerm2's inline images
    Iterm,
    /// Sixels
    Sixel,
    /// No pictures: their text
    None,
}

/// What the environment says of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hint {
    /// It understands this.
    Known(Protocol),
    /// It cannot be asked.
    Mute,
    /// It may understand sixels.
    Ask,
}

/// A terminal that does not answer within this does not know the question.
const PATIENCE: Duration = Duration::from_millis(300);

/// Most terminals' characters are about so large, where they do not say.
const USUAL_CELL: CellSize = CellSize { width: 10, height: 20 };

/// What is known of the terminal.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Detected {
    /// The way of pictures and the size of a character; nothing where there are to be none.
    pub pictures: Option<(Protocol, CellSize)>,
    /// What was typed while the terminal was asked.
    pub typed: String,
}

/// Finds out which pictures the terminal shows.
#[must_use]
pub fn detect(images: Images) -> Detected {
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let wanted = match images {
        Images::None => return Detected::default(),
        Images::Kitty => Some(Protocol::Kitty),
        Images::Iterm => Some(Protocol::Iterm),
        Images::Sixel => Some(Protocol::Sixel),
        Images::Auto => match hint(environment) {
            Hint::Known(protocol) => Some(protocol),
            Hint::Mute => return Detected::default(),
            Hint::Ask => None,
        },
    };
    let size = size_in_pixels();
    let answer = match (wanted, size) {
        (Some(_), Some(_)) => Answer::default(),
        // A terminal that cannot be asked has no pictures, or characters of the usual size.
        _ => ask().unwrap_or_default(),
    };
    let protocol = wanted.or(answer.sixel.then_some(Protocol::Sixel));
    let cell = size.or(answer.cell).unwrap_or(USUAL_CELL);
    Detected { pictures: protocol.map(|protocol| (protocol, cell)), typed: answer.typed }
}

fn hint(variable: impl Fn(&str) -> Option<String>) -> Hint {
    let term = variable("TERM").unwrap_or_default();
    let program = variable("TERM_PROGRAM").unwrap_or_default();
    if term == "dumb" || term == "linux" {
        return Hint::Mute;
    }
    // A multiplexer hides the terminal: only what it understands itself gets through.
    if variable("TMUX").is_some()
        || variable("STY").is_some()
        || term.starts_with("screen")
        || term.starts_with("tmux")
    {
        return Hint::Ask;
    }
    let kitty = variable("KITTY_WINDOW_ID").is_some()
        || variable("KONSOLE_VERSION").is_some()
        || matches!(term.as_str(), "xterm-kitty" | "xterm-ghostty")
        || program == "ghostty";
    let iterm = matches!(program.as_str(), "iTerm.app" | "WezTerm" | "mintty")
        || variable("LC_TERMINAL").as_deref() == Some("iTerm2");
    match (kitty, iterm) {
        (true, _) => Hint::Known(Protocol::Kitty),
        (_, true) => Hint::Known(Protocol::Iterm),
        _ => Hint::Ask,
    }
}

fn size_in_pixels() -> Option<CellSize> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    let cell =
        |pixels: u16, cells: u16| (cells > 0).then(|| u32::from(pixels / cells)).filter(|cell| *cell > 1);
    Some(CellSize { width: cell(size.ws_xpixel, size.ws_col)?, height: cell(size.ws_ypixel, size.ws_row)? })
}

/// What a terminal said of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    /// It has sixels.
    sixel: bool,
    /// How large its characters are.
    cell: Option<CellSize>,
    /// What a person typed meanwhile.
    typed: String,
}

/// Asks for the size of a character and for what the terminal is: every terminal answers the second question, so that
/// nobody waits for an answer to the first that does not come.
fn ask() -> io::Result<Answer> {
    let mut terminal = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    let mut raw = before.clone();
    raw.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
    raw.special_codes[SpecialCodeIndex::VMIN] = 0;
    raw.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(&terminal, OptionalActions::Now, &raw)?;
    let answer = terminal.write_all(b"\x1b[16t\x1b[c").and_then(|()| read_answer(&mut terminal));
    tcsetattr(&terminal, OptionalActions::Now, &before)?;
    answer
}

fn read_answer(terminal: &mut std::fs::File) -> io::Result<Answer> {
    let deadline = Instant::now() + PATIENCE;
    let mut said = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let wait = Timespec { tv_sec: 0, tv_nsec: left.as_nanos().try_into().unwrap_or(0) };
        let mut fds = [PollFd::new(terminal, PollFlags::IN)];
        match poll(&mut fds, Some(&wait)) {
            Ok(0) => {
                return Ok(Answer { typed: typed(&String::from_utf8_lossy(&said)), ..Answer::default() });
            }
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let mut bytes = [0; 256];
        let count = terminal.read(&mut bytes)?;
        said.extend_from_slice(&bytes[..count]);
        if let Some(answer) = answer(&String::from_utf8_lossy(&said)) {
            return Ok(answer);
        }
    }
}

/// The answer in what came from the terminal, once it is whole.
fn answer(said: &str) -> Option<Answer> {
    let sequences = || said.split("\u{1b}[").skip(1);
    let attributes = sequences().find_map(|sequence| sequence.strip_prefix('?')?.split_once('c'))?.0;
    let cell = sequences().find_map(|sequence| {
        let (height, width) = sequence.strip_prefix("6;")?.split_once('t')?.0.split_once(';')?;
        Some(CellSize { width: width.parse().ok()?, height: height.parse().ok()? })
    });
    let sixel = attributes.split(';').skip(1).any(|attribute| attribute == "4");
    let usable = |cell: &CellSize| (2..1000).contains(&cell.width) && (2..1000).contains(&cell.height);
    Some(Answer { sixel, cell: cell.filter(usable), typed: typed(said) })
}

/// What is no sequence, and no control character but line breaks.
fn typed(said: &str) -> String {
    let plain = anstream::adapter::strip_str(said).to_string().replace('\r', "\n");
    plain.chars().filter(|c| *c == '\n' || !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hinted(variables: &[(&str, &str)]) -> Hint {
        hint(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn terminals_are_known_by_their_variables() {
        let kitty = Hint::Known(Protocol::Kitty);
        let iterm = Hint::Known(Protocol::Iterm);
        assert_eq!(hinted(&[("TERM", "xterm-kitty")]), kitty);
        assert_eq!(hinted(&[("TERM", "xterm-256color"), ("KITTY_WINDOW_ID", "1")]), kitty);
        assert_eq!(hinted(&[("TERM", "xterm-ghostty"), ("TERM_PROGRAM", "ghostty")]), kitty);
        assert_eq!(hinted(&[("KONSOLE_VERSION", "230804")]), kitty);
        assert_eq!(hinted(&[("TERM_PROGRAM", "iTerm.app")]), iterm);
        assert_eq!(hinted(&[("TERM_PROGRAM", "WezTerm")]), iterm);
        assert_eq!(hinted(&[("LC_TERMINAL", "iTerm2")]), iterm, "over ssh");
        assert_eq!(hinted(&[("TERM", "xterm-256color")]), Hint::Ask);
        assert_eq!(hinted(&[("TERM", "dumb"), ("KITTY_WINDOW_ID", "1")]), Hint::Mute);
        assert_eq!(hinted(&[("TERM", "tmux-256color"), ("KITTY_WINDOW_ID", "1")]), Hint::Ask);
        assert_eq!(hinted(&[("TMUX", "/tmp/t"), ("TERM_PROGRAM", "iTerm.app")]), Hint::Ask);
    }

    #[test]
    fn answers_are_read() {
        let cell = Some(CellSize { width: 9, height: 18 });
        let both = "\u{1b}[6;18;9t\u{1b}[?62;4;22c";
        assert_eq!(answer(both), Some(Answer { sixel: true, cell, typed: String::new() }));
        assert_eq!(answer("\u{1b}[?64;1;2;6;22c"), Some(Answer::default()));
        assert_eq!(answer("\u{1b}[?4c"), Some(Answer::default()), "a class, not an attribute");
        let typed = "let x = 1;\n".to_owned();
        let answered = answer("let x\u{1b}[A = 1;\r\u{1b}[?1;4c");
        assert_eq!(answered, Some(Answer { sixel: true, cell: None, typed }));
        assert_eq!(answer("\u{1b}[6;0;0t\u{1b}[?6c"), Some(Answer::default()));
        for end in 0..both.len() {
            assert_eq!(answer(&both[..end]), None, "{end} characters are not the whole answer");
        }
    }
}

//! A compiler that is started before there is something to compile.
//!
//! Loading rustc takes a tenth of what a cell does. So one is always there, which reads its arguments from
//! stdin and waits for them, without using the processor.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A rustc without arguments yet. It ends with whoever holds the other end of its stdin.
#[derive(Debug)]
pub struct Waiting(Option<Child>);

/// Which features a compiler lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Features {
    /// Those of a stable compiler.
    Stable,
    /// All.
    All,
}

impl Waiting {
    /// Starts it.
    pub fn start(rustc: &Path, features: Features) -> io::Result<Waiting> {
        let mut command = Command::new(rustc);
        command.arg("@/dev/stdin");
        if features == Features::All {
            command.env("RUSTC_BOOTSTRAP", "1");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        // It leads its group, which an interrupt ends with all of its linkers. A terminal's Ctrl-C is for the
        // kernel alone.
        command.process_group(0);
        Ok(Waiting(Some(command.spawn()?)))
    }

    /// Tells it what to do. Fails with `BrokenPipe` if it has ended meanwhile.
    pub fn tell(mut self, arguments: &[OsString]) -> io::Result<Child> {
        let lines = lines(arguments)?;
        let stdin = self.0.as_mut().and_then(|child| child.stdin.take());
        stdin.ok_or(io::ErrorKind::BrokenPipe)?.write_all(lines.as_bytes())?;
        self.0.take().ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // Nothing is lost with it, and a process that has ended is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The form in which rustc reads arguments: UTF-8, one a line.
fn lines(arguments: &[OsString]) -> io::Result<String> {
    let mut lines = String::new();
    for argument in arguments {
        let line = argument.to_str().filter(|line| !line.contains('\n')).ok_or_else(|| refused(argument))?;
        lines.push_str(line);
        lines.push('\n');
    }
    Ok(lines)
}

fn refused(argument: &OsStr) -> io::Error {
    let text = format!(
        "rustc takes no path like {argument:?}: it must be UTF-8 without a line break; TMPDIR and \
         SCONCE_CACHE_DIR choose other folders"
    );
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn waiting() -> Waiting {
        Waiting::start(Path::new("rustc"), Features::Stable).unwrap()
    }

    #[test]
    fn it_does_what_it_is_told_later() {
        let child = waiting().tell(&["--explain".into(), "E9999".into()]).unwrap();
        let said = child.wait_with_output().unwrap();
        assert!(String::from_utf8_lossy(&said.stderr).contains("E9999"), "{said:?}");
    }

    #[test]
    fn it_ends_with_its_owner() {
        let waiting = waiting();
        let process = waiting.0.as_ref().unwrap().id();
        drop(waiting);
        let process = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
        assert!(rustix::process::test_kill_process(process).is_err());
    }

    #[test]
    fn one_that_has_ended_is_noticed() {
        let mut waiting = waiting();
        let child = waiting.0.as_mut().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(waiting.tell(&["-V".into()]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn paths_that_rustc_cannot_read_are_named() {
        let error = waiting().tell(&["a\nb".into()]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(r#""a\nb""#), "{error}");
    }
}

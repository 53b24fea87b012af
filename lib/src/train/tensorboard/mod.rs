//! Event files for TensorBoard.

mod callback;
mod event;
mod record;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use self::event::{What, event};
use self::record::framed;
use super::fresh_folder::fresh;
use crate::plot::Picture;
use crate::{Error, Result};

/// A larger value makes TensorBoard slow to load for no gain: one picture of 4096 × 4096.
const MOST_PIXELS: usize = 1 << 24;

/// Writes what happens to an event file, which TensorBoard shows while it grows: `tensorboard --logdir runs`. A learner
/// writes its losses, metrics and learning rates there: `learner.callback(TensorBoard::new("runs/first")?)`.
///
/// Each value is in the file when the call returns, so that a run that crashes keeps all that it had. Values are f32,
/// as the format has them; [`History::save_json`](super::History::save_json) keeps all bits.
///
/// ```
/// use sconce::plot::Picture;
/// use sconce::train::TensorBoard;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # std::env::set_current_dir(&folder).unwrap();
/// let mut board = TensorBoard::new("runs/first")?;
/// board.scalar("train/loss", 0.7, 1)?;
/// board.image("a square", &Picture::grey([8, 8], vec![128; 64])?, 1)?;
/// board.text("notes", "the **first** run", 0)?;
/// # Ok::<(), sconce::Error>(())
/// ```
#[derive(Debug)]
pub struct TensorBoard {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    /// How much of the file is whole records.
    written: u64,
    /// The next step is to say that training starts there once more.
    restarts: bool,
    /// Training steps so far.
    steps: usize,
    /// The settings of the run are there.
    begun: bool,
}

impl TensorBoard {
    /// Begins an event file in a folder, which is made where it is missing. A folder that holds event files already is
    /// another run's: then it is `name-2`, `name-3`, …, and [`TensorBoard::folder`] says which.
    ///
    /// # Errors
    /// When folder or file cannot be made.
    pub fn new(folder: impl AsRef<Path>) -> Result<TensorBoard> {
        let folder = fresh("TensorBoard::new", folder.as_ref(), holds_events)?;
        TensorBoard::in_folder(folder, false)
    }

    /// Goes on in the folder of a run that was stopped, in a new event file. What the earlier files have from the first
    /// step on that comes now, TensorBoard leaves out: a training that goes on from a checkpoint makes it again.
    ///
    /// # Errors
    /// A folder without event files; a file that cannot be made.
    pub fn resume(folder: impl AsRef<Path>) -> Result<TensorBoard> {
        let folder = folder.as_ref();
        let read = |source| Error::Io { op: "read", path: folder.to_owned(), source };
        if !holds_events(folder).map_err(read)? {
            return Err(Error::Argument {
                op: "TensorBoard::resume".into(),
                expected: "a folder with event files".into(),
                got: format!("{:?}, which holds none", folder.display().to_string()),
                hint: "Begin a run with TensorBoard::new.".into(),
            });
        }
        TensorBoard::in_folder(folder.to_owned(), true)
    }

    fn in_folder(folder: PathBuf, restarts: bool) -> Result<TensorBoard> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // TensorBoard reads the files of a folder in the order of their names, and wants `tfevents` in them.
        let (time, process) = (since_1970(), std::process::id());
        let (seconds, nanoseconds) = (time.as_secs(), time.subsec_nanos());
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("events.out.tfevents.{seconds:010}.{nanoseconds:09}.{process}.{count}.sconce");
        let path = folder.join(name);
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(|source| Error::Io { op: "create", path: path.clone(), source })?;
        let mut board = TensorBoard { folder, path, file, written: 0, restarts, steps: 0, begun: false };
        board.write(0, &What::FileVersion)?;
        Ok(board)
    }

    /// The folder of this run, to be given to `--logdir` or the folder above it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A number under a name, at a step. Names with the same beginning before a `/` stand together.
    ///
    /// # Errors
    /// An empty name; a file that cannot be written.
    pub fn scalar(&mut self, tag: &str, value: f64, step: usize) -> Result<()> {
        self.put("scalar", tag, step, |tag| What::Scalar { tag, value: value as f32 })
    }

    /// A picture under a name, at a step. Grids, maps and matrices give theirs with `picture()`.
    ///
    /// # Errors
    /// An empty name, a picture without pixels or of more than 16 million; a file that cannot be written.
    pub fn image(&mut self, tag: &str, picture: &Picture, step: usize) -> Result<()> {
        let size = picture.size();
        if !(1..=MOST_PIXELS).contains(&(size[0] * size[1])) {
            return Err(Error::Argument {
                op: "TensorBoard::image".into(),
                expected: "a picture of 1 to 16,777,216 pixels".into(),
                got: format!("{} × {}", size[0], size[1]),
                hint: "Picture::reduced makes it smaller.".into(),
            });
        }
        let png = picture.png()?;
        let channels = if picture.is_grey() { 1 } else { 3 };
        self.put("image", tag, step, |tag| What::Image { tag, size, channels, png: &png })
    }

    /// A text under a name, at a step, shown as Markdown.
    ///
    /// # Errors
    /// An empty name; a file that cannot be written.
    pub fn text(&mut self, tag: &str, text: &str, step: usize) -> Result<()> {
        self.put("text", tag, step, |tag| What::Text { tag, text })
    }

    /// What the run is made with, as names and values, for TensorBoard's table of hyperparameters.
    fn settings(&mut self, settings: &[(String, String)]) -> Result<()> {
        self.write(0, &What::Settings(settings))
    }

    fn put<'a>(
        &mut self,
        op: &str,
        tag: &'a str,
        step: usize,
        what: impl FnOnce(&'a str) -> What<'a>,
    ) -> Result<()> {
        if tag.is_empty() {
            return Err(Error::Argument {
                op: format!("TensorBoard::{op}"),
                expected: "a name".into(),
                got: "an empty one".into(),
                hint: "For example \"train/loss\".".into(),
            });
        }
        if self.restarts {
            self.write(step as u64, &What::Restart)?;
            self.restarts = false;
        }
        self.write(step as u64, &what(tag))
    }

    fn write(&mut self, step: u64, what: &What) -> Result<()> {
        let record = framed(&event(since_1970().as_secs_f64(), step, what));
        if let Err(source) = self.file.write_all(&record) {
            // Behind half a record nothing could be read. What counts is the first error.
            let _ = self.file.set_len(self.written);
            let _ = self.file.seek(SeekFrom::Start(self.written));
            return Err(Error::Io { op: "write", path: self.path.clone(), source });
        }
        self.written += record.len() as u64;
        Ok(())
    }
}

/// The time, 0 on a clock that stands before 1970.
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Whether TensorBoard would find events in the folder itself.
fn holds_events(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        if entry?.file_name().to_string_lossy().contains("tfevents") {
            return Ok(true);
        }
    }
    Ok(false)
}

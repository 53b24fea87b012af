//! The plot of a loop that is running.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sconce_display::{Bundle, before_flush};

use super::number::Number;
use super::series::Series;
use crate::Result;
use crate::plot::{Curves, count, number};
use crate::progress::Viewer;
use crate::rich::Rich;

/// Curves that a loop pushes points to. In a notebook one display is updated in place, a few times a second at most, and
/// stays in its last state when the cell ends; in a terminal a line is, and a log gets a line every ten seconds. Drawing
/// takes no more than 1.5 % of the time.
///
/// ```
/// use sconce::prelude::*;
///
/// let plot = LivePlot::new("loss").logarithmic_y();
/// for step in 0..100 {
///     let loss = 1.0 / (1 + step) as f32;
///     plot.push(step, loss);
///     if step % 10 == 0 {
///         plot.push_to("valid", step, 1.1 * loss);
///     }
/// }
/// assert_eq!(plot.len(), 110);
/// # Ok::<(), sconce::Error>(())
/// ```
///
/// Any number of points fits into a bounded memory: from 513 points on each two neighbours become one stretch, of which the
/// first, least, greatest and last point are kept, and so on. A value that is NaN or infinite leaves a gap. Both are said
/// below the title.
///
/// The plot can be kept in a variable: a later cell pushes to the display that is there. A cell that ends with it shows it
/// again, as it is then.
pub struct LivePlot {
    shared: Arc<Shared>,
    /// Asked for the last state when a cell ends.
    _deliver: Arc<dyn Fn() + Send + Sync>,
}

/// What the plot and the end of a cell have in common. Where both are locked, the viewer is first; what shows may wait for a lock of
/// somebody who pushes, such as that of stdout, and so the state is never locked while something is shown.
struct Shared {
    state: Mutex<State>,
    /// There since the first point.
    viewer: Mutex<Option<Viewer>>,
}

struct State {
    title: String,
    x_label: String,
    logarithmic_y: bool,
    smoothing: Option<f64>,
    series: Vec<Series>,
    without_step: u64,
    /// Whether a point has come since it was shown.
    changed: bool,
}

impl LivePlot {
    /// A plot without points, which is not shown yet.
    #[must_use]
    pub fn new(title: &str) -> LivePlot {
        let state = Mutex::new(State {
            title: title.to_owned(),
            x_label: "step".into(),
            logarithmic_y: false,
            smoothing: None,
            series: Vec::new(),
            without_step: 0,
            changed: false,
        });
        let shared = Arc::new(Shared { state, viewer: Mutex::new(None) });
        let of_deliver = Arc::clone(&shared);
        let deliver: Arc<dyn Fn() + Send + Sync> = Arc::new(move || of_deliver.show_last());
        before_flush(Arc::downgrade(&deliver));
        LivePlot { shared, _deliver: deliver }
    }

    /// Says what is counted along x; otherwise `step`.
    #[must_use]
    pub fn x_label(self, label: &str) -> LivePlot {
        label.clone_into(&mut self.lock().x_label);
        self
    }

    /// Draws equal ratios of the values as equal distances, as [`Curves::logarithmic_y`] does.
    #[must_use]
    pub fn logarithmic_y(self) -> LivePlot {
        self.lock().logarithmic_y = true;
        self
    }

    /// Draws over each curve its exponential average, as [`Curves::smoothed`] does. The average is taken over all points, those
    /// among them that are not kept, and so has to be asked for before the first one; later it is left aside, as is a weight that
    /// is not from 0 to below 1.
    #[must_use]
    pub fn smoothed(self, weight: f64) -> LivePlot {
        let mut state = self.lock();
        if state.series.is_empty() {
            state.smoothing = (weight > 0.0 && weight < 1.0).then_some(weight);
        }
        drop(state);
        self
    }

    /// Adds a point to the curve that has the plot's title for its name.
    pub fn push(&self, step: impl Number, value: impl Number) {
        self.shared.push(None, step.to_f64(), value.to_f64());
    }

    /// Adds a point to the curve of some name, which begins with it if there is none yet.
    pub fn push_to(&self, name: &str, step: impl Number, value: impl Number) {
        self.shared.push(Some(name), step.to_f64(), value.to_f64());
    }

    /// How many points were pushed, in all curves together.
    #[must_use]
    pub fn len(&self) -> usize {
        let total = self.lock().series.iter().map(|series| series.total).sum::<u64>();
        usize::try_from(total).unwrap_or(usize::MAX)
    }

    /// Whether no point was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is kept of the curves, as a plot that changes no more.
    #[must_use]
    pub fn curves(&self) -> Curves {
        self.lock().curves()
    }

    /// Writes the plot as it is to a file that ends with `.svg`.
    ///
    /// # Errors
    /// For another ending, or when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.curves().save(path)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.shared.state)
    }
}

/// A loop that panicked has left whole points.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn push(&self, name: Option<&str>, x: f64, y: f64) {
        lock(&self.state).push(name, x, y);
        // Who finds it taken leaves the point to whoever shows, or to the next one.
        if let Ok(mut viewer) = self.viewer.try_lock()
            && viewer.as_ref().is_none_or(Viewer::is_due)
        {
            self.show(&mut viewer);
        }
    }

    fn show(&self, viewer: &mut Option<Viewer>) {
        let (line, curves) = {
            let mut state = lock(&self.state);
            state.changed = false;
            (state.line(), state.curves())
        };
        viewer.get_or_insert_with(Viewer::start).show(None, &line, || curves.rich());
    }

    /// Shows what has come since the last time, if anything.
    fn show_last(&self) {
        let mut viewer = lock(&self.viewer);
        let changed = lock(&self.state).changed;
        if changed {
            self.show(&mut viewer);
        }
    }
}

impl State {
    fn push(&mut self, name: Option<&str>, x: f64, y: f64) {
        if !x.is_finite() {
            self.without_step += 1;
        } else {
            let name = name.unwrap_or(&self.title);
            match self.series.iter_mut().find(|series| series.name == name) {
                Some(series) => series.push(x, y),
                None => {
                    let mut series = Series::new(name, self.smoothing);
                    series.push(x, y);
                    self.series.push(series);
                }
            }
        }
        self.changed = true;
    }

    fn curves(&self) -> Curves {
        let mut curves = Curves::new(&self.title).x_label(&self.x_label).note(&self.notes());
        if self.logarithmic_y {
            curves = curves.logarithmic_y();
        }
        if let Some(weight) = self.smoothing {
            curves = curves.smoothed(weight);
        }
        for series in &self.series {
            curves = match series.averages() {
                Some(averages) => curves.averaged(&series.name, series.points(), averages),
                None => curves.series(&series.name, &series.points()),
            };
        }
        curves
    }

    /// What the curves do not show, in words.
    fn notes(&self) -> String {
        let many = |value: u64| count(usize::try_from(value).unwrap_or(usize::MAX));
        let total = self.series.iter().map(|series| series.total).sum::<u64>();
        let together = self.series.iter().map(|series| series.together).max().unwrap_or(1);
        let not_finite = self.series.iter().map(|series| series.not_finite).sum::<u64>();
        let mut notes = Vec::new();
        if together > 1 {
            notes.push(format!(
                "{} points; of {} in a row the first, least, greatest and last are kept",
                many(total),
                many(together)
            ));
        }
        if not_finite > 0 {
            notes.push(format!("{} NaN or infinite, a gap", many(not_finite)));
        }
        if self.without_step > 0 {
            notes.push(format!("{} left out whose {} is not finite", many(self.without_step), self.x_label));
        }
        notes.join("; ")
    }

    /// The last values in a line.
    fn line(&self) -> String {
        let step = self.series.iter().map(|series| series.last.0).fold(f64::NAN, f64::max);
        let title = if self.title.is_empty() { String::new() } else { format!("{}: ", self.title) };
        let mut line = format!("{title}{} {}", self.x_label, number(step));
        for series in &self.series {
            let value = number(series.last.1);
            line += &if series.name == self.title {
                format!(", {value}")
            } else {
                format!(", {} {value}", series.name)
            };
        }
        line
    }
}

impl Drop for LivePlot {
    fn drop(&mut self) {
        self.shared.show_last();
        if let Some(viewer) = &*lock(&self.shared.viewer) {
            viewer.close();
        }
    }
}

impl fmt::Debug for LivePlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One lock after the other.
        let title = self.lock().title.clone();
        let points = self.len();
        f.debug_struct("LivePlot").field("title", &title).field("points", &points).finish()
    }
}

impl Rich for LivePlot {
    fn rich(&self) -> Bundle {
        self.curves().rich()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn several_threads_push_while_others_look() {
        // In a thread of its own, so that a lock that waits for itself is a failure and not a halt.
        let (done, wait) = channel();
        std::thread::spawn(move || {
            let plot = LivePlot::new("loss");
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let plot = &plot;
                    scope.spawn(move || {
                        for step in 0..2000 {
                            plot.push_to(&format!("of {thread}"), step, 1.0);
                        }
                    });
                }
                for _ in 0..100 {
                    plot.shared.show_last();
                    assert!(format!("{plot:?}").starts_with("LivePlot { title: \"loss\", points: "));
                }
            });
            done.send(plot.len()).unwrap();
        });
        assert_eq!(wait.recv_timeout(Duration::from_secs(60)), Ok(8000));
    }
}

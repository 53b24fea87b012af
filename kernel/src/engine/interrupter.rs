//! Stopping what a session does, from any thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Stops what a session does: the first call asks, the second does not ask.
#[derive(Debug, Clone, Default)]
pub struct Interrupter(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    doing: Doing,
    asked: u32,
    /// How often a process was told so.
    told: u32,
    /// When it was asked first.
    since: Option<Instant>,
}

#[derive(Debug, Default, Clone, Copy)]
enum Doing {
    #[default]
    Nothing,
    Between,
    Compiling(u32),
    Running(u32),
    /// A program of the user's: the process, with all of its group.
    Outside(u32),
    Attending(u32),
}

impl Interrupter {
    /// Asks the running cell to stop; asked again, ends the worker. Between cells it is the handler of a comm
    /// message that is asked, if the session attends to those.
    pub fn interrupt(&self) {
        let mut state = self.lock();
        match state.doing {
            Doing::Nothing => return,
            Doing::Between => {}
            Doing::Compiling(process) => send_group(process, Signal::KILL),
            Doing::Running(process) | Doing::Attending(process) => {
                send(process, if state.told == 0 { Signal::INT } else { Signal::KILL });
                state.told += 1;
            }
            Doing::Outside(process) => {
                send_group(process, if state.told == 0 { Signal::INT } else { Signal::KILL });
                state.told += 1;
            }
        }
        state.asked += 1;
        state.since.get_or_insert_with(Instant::now);
    }

    /// How often the running cell was asked to stop.
    pub(super) fn asked(&self) -> u32 {
        self.lock().asked
    }

    /// How long ago the running cell was asked to stop first.
    pub(super) fn asked_for(&self) -> Option<Duration> {
        self.lock().since.map(|since| since.elapsed())
    }

    /// A cell begins.
    pub(super) fn begin(&self) {
        *self.lock() = State { doing: Doing::Between, ..State::default() };
    }

    /// No cell runs. Handlers of comm messages may, in the worker, which is this process.
    pub(super) fn attending(&self, process: u32) {
        *self.lock() = State { doing: Doing::Attending(process), ..State::default() };
    }

    /// A cell has ended.
    pub(super) fn end(&self) {
        self.lock().doing = Doing::Nothing;
    }

    /// rustc or cargo runs as this process, which leads its group.
    pub(super) fn compiling(&self, process: u32) {
        let mut state = self.lock();
        state.doing = Doing::Compiling(process);
        if state.asked > 0 {
            send_group(process, Signal::KILL);
        }
    }

    /// A program runs as this process, which leads its group.
    pub(super) fn outside(&self, process: u32) {
        let mut state = self.lock();
        state.doing = Doing::Outside(process);
        if state.asked > 0 {
            send_group(process, Signal::KILL);
        }
    }

    /// rustc, the program or the worker is done; whether the cell was asked to stop.
    pub(super) fn compiled(&self) -> bool {
        let mut state = self.lock();
        state.doing = Doing::Between;
        state.asked > 0
    }

    /// The worker runs the cell as this process.
    pub(super) fn running(&self, process: u32) {
        let mut state = self.lock();
        state.doing = Doing::Running(process);
        // Asked in the moment before: what runs now learns it.
        if state.asked > 0 && state.told == 0 {
            send(process, Signal::INT);
            state.told = 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is whole after every line, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn send(process: u32, signal: Signal) {
    if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        // A process that has ended in the meantime needs no signal.
        let _ = kill_process(process, signal);
    }
}

fn send_group(leader: u32, signal: Signal) {
    if let Some(leader) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        // A group that has ended in the meantime needs no signal.
        let _ = kill_process_group(leader, signal);
    }
}

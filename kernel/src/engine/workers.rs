//! The worker as a session has it: asked, replaced, lost.

use std::io;
use std::time::Duration;

use sconce_display::wire::{Reply, Request};

use super::definitions::Definitions;
use super::hints::Gone;
use super::session::{Session, failure, note_output};
use super::worker::{Death, Emit, Emitted, Worker};
use super::{Failure, Output};

/// How long a cell that was asked to stop may go on before that is remarked on.
const PATIENCE: Duration = Duration::from_millis(1500);

impl Session {
    pub(super) fn request(
        &mut self,
        request: Request,
        outputs: &mut dyn FnMut(Output),
    ) -> Result<Reply, Death> {
        let Some(mut worker) = self.worker.take() else {
            return Err(Death { how: "is not there".into() });
        };
        let mut audience = std::mem::take(&mut self.audience);
        self.interrupter.running(worker.process());
        let mut told = false;
        let mut look_in = |emit: &mut Emit<'_>| {
            let waited = self.interrupter.asked_for().unwrap_or_default();
            if waited > PATIENCE && self.interrupter.asked() == 1 && !told {
                told = true;
                let note = "the cell is inside a call that does not look for interrupts; interrupt again to end \
                            the worker, which loses all variables";
                emit(None, Emitted::Output(note_output(note)));
            }
        };
        let mut emit = |cause, emitted| self.hand_on(cause, emitted, &mut audience, outputs);
        let mut reply = worker.request(request, &mut emit, &mut look_in);
        self.interrupter.compiled();
        if reply.is_ok() && self.interrupter.asked() > 0 {
            // An interrupt that came when the cell had just ended is not the next cell's.
            let nothing = Request::Forget { names: Vec::new() };
            if let Err(death) = worker.request(nothing, &mut emit, &mut |_| {}) {
                reply = Err(death);
            }
        }
        self.audience = audience;
        if reply.is_ok() {
            self.worker = Some(worker);
        }
        reply
    }

    pub(super) fn ensure_worker(&mut self) -> io::Result<()> {
        if self.worker.is_none() {
            self.worker =
                Some(Worker::start(&self.prepared, self.folder.path(), &self.mailbox, &self.environment)?);
        }
        Ok(())
    }

    /// Says what is lost with a worker, and starts the next.
    pub(super) fn bury(&mut self, death: &Death, outputs: &mut dyn FnMut(Output)) -> Failure {
        let lost: Vec<String> = self.variables.keys().map(|name| format!("`{name}`")).collect();
        for (name, variable) in &self.variables {
            let why = format!("`{name}` was lost when the worker of cell {} ended", self.number);
            let help = format!("run cell {} again to make it anew", variable.place.cell);
            self.gone.insert(name.clone(), Gone { why, place: None, help: Some(help) });
        }
        self.variables.clear();
        self.close_comms(outputs);
        self.symbols.clear();
        let how = if self.interrupter.asked() > 1 {
            "was ended by the second interrupt".to_owned()
        } else {
            death.how.clone()
        };
        let lost = match lost.len() {
            0 => "No variables are lost.".to_owned(),
            1 => format!("The variable {} is lost.", lost[0]),
            count => format!("{count} variables are lost: {}.", lost.join(", ")),
        };
        let next = match self.ensure_worker() {
            Ok(()) => "A new worker runs the next cell; functions, types and imports are kept.".to_owned(),
            Err(error) => {
                outputs(Output::Stderr(format!("a new worker could not be started yet: {error}\n")));
                "The next cell tries again to start a worker.".to_owned()
            }
        };
        let message = format!("the worker {how}. {lost} {next}");
        failure("WorkerDied", &message, &format!("\x1b[1;31mWorkerDied\x1b[0m: {message}"))
    }

    /// Forgets all definitions and variables.
    pub(super) fn clear(&mut self) {
        self.definitions = Definitions::default();
        self.variables.clear();
        self.symbols.clear();
        self.gone.clear();
        self.files.clear();
    }

    /// Drops all variables, for `:clear`.
    pub(super) fn clear_all(&mut self, outputs: &mut dyn FnMut(Output)) {
        let keys = self.variables.values().map(|variable| variable.key.clone()).collect();
        self.clear();
        if self.forget_dependencies() {
            // Only with the worker do they go.
            self.worker = None;
            self.close_comms(outputs);
        } else {
            self.forget(keys, outputs);
        }
    }

    /// A new worker for `:restart`: variables are lost, definitions stay.
    pub(super) fn replace_worker(&mut self, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure> {
        for name in std::mem::take(&mut self.variables).into_keys() {
            self.gone.insert(
                name.clone(),
                Gone::because(format!("`{name}` was lost at `:restart` before cell {}", self.number)),
            );
        }
        self.symbols.clear();
        self.worker = None;
        self.close_comms(outputs);
        self.ensure_worker().map_err(|error| self.broken(&error))?;
        outputs(note_output("a new worker runs the next cells; functions, types and imports are kept"));
        Ok(())
    }

    /// The worker's process, if there is one.
    pub(super) fn worker_process(&self) -> Option<u32> {
        self.worker.as_ref().map(Worker::process)
    }
}

//! What the protocol asks of an engine. The Rust engine is one; tests bring another.

use std::sync::Arc;

use sconce_display::comm::Packet;
use sconce_display::{Answer, Bundle};

use crate::assist::{Completions, Inspection};
use crate::engine::{Ask, Completeness, Failure, Listen, Output};

/// Can be called from any thread while a cell runs: asks it to stop, and the second time makes it stop.
pub(super) type Interrupt = Arc<dyn Fn() + Send + Sync>;

/// Reaches the evaluator from any thread, also while a cell runs.
pub(super) trait Post: Send + Sync {
    /// Answers the question that waits. Returns whether there was one.
    fn answer(&self, answer: Answer) -> bool;

    /// Delivers a comm message, whose `number` comes back with what its handler emits. Returns whether there is
    /// anybody to take it.
    fn deliver(&self, number: u64, packet: Packet) -> bool;

    /// The open comms: id and target.
    fn comms(&self) -> Vec<(String, String)>;

    /// Ends [`Evaluator::attend`], or its next call.
    fn ring(&self);
}

/// Starts evaluators and knows the language.
pub(super) trait Engine: Send + Sync + 'static {
    /// Starts an evaluator with nothing in it. May take minutes the first time, and then says how far it is:
    /// one line each, the next replaces the one before.
    fn start(&self, progress: &mut dyn FnMut(String)) -> Result<Box<dyn Evaluator>, Failure>;

    /// Whether source text is ready to run.
    fn completeness(&self, code: &str) -> Completeness;

    /// What could be written at the byte `cursor` of `code`. May take some tenths of a second, not more.
    fn complete(&self, code: &str, cursor: usize) -> Completions;

    /// What the thing at the byte `cursor` of `code` is. May take some tenths of a second, not more.
    fn inspect(&self, code: &str, cursor: usize) -> Option<Inspection>;

    /// The version of the language, for `kernel_info_reply`.
    fn language_version(&self) -> String;
}

/// Runs cells, one after the other.
pub(super) trait Evaluator: Send {
    /// Runs one cell to its end and hands over what it emits as it comes.
    fn execute(&mut self, code: &str, outputs: &mut dyn FnMut(Output)) -> Result<(), Failure>;

    /// The value of an expression beside the cells; what it prints is handed over as it comes.
    fn evaluate(&mut self, expression: &str, outputs: &mut dyn FnMut(Output)) -> Result<Bundle, Failure>;

    /// Who answers what cells ask from now on.
    fn ask_with(&mut self, ask: Ask);

    /// Who takes what comes of comm messages from now on.
    fn listen_with(&mut self, listen: Listen);

    /// Hands over what is emitted between cells, until somebody rings.
    fn attend(&mut self, outputs: &mut dyn FnMut(Output));

    /// What interrupts a running cell.
    fn interrupt(&self) -> Interrupt;

    /// What reaches a running cell.
    fn post(&self) -> Arc<dyn Post>;
}

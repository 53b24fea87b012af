//! What a worker does between cells: threads that go on, and handlers of comm messages.

use super::audience::{Ask, Audience, Listen};
use super::render::render;
use super::worker::Emitted;
use super::{Output, Session};
use sconce_display::Answer;
use sconce_display::comm::{Action, Packet};

impl Session {
    /// Who answers what cells ask from now on. Without anybody each question is an error that says so.
    pub fn ask_with(&mut self, ask: Ask) {
        self.audience.ask = Some(ask);
    }

    /// Who takes what comes of comm messages from now on. Without anybody it goes where outputs go.
    pub fn listen_with(&mut self, listen: Listen) {
        self.audience.listen = Some(listen);
    }

    /// Hands on what the worker emits between cells, until [`Mailbox::ring`](super::Mailbox::ring) is called. What
    /// comes of a comm message goes to the listener, what threads of earlier cells emit to `outputs`.
    pub fn attend(&mut self, outputs: &mut dyn FnMut(Output)) {
        let mailbox = self.mailbox();
        if let Err(error) = self.ensure_worker() {
            // The next cell says why; until then there is nothing to attend.
            outputs(Output::Stderr(format!("a new worker could not be started yet: {error}\n")));
        }
        let mut audience = std::mem::take(&mut self.audience);
        let end = match self.worker.take() {
            Some(mut worker) => {
                let process = worker.process();
                self.interrupter.attending(process);
                let end = worker.attend(mailbox.bell(), &mut |cause, emitted| {
                    // One handler runs at a time, so what is printed meanwhile is most likely its.
                    let cause = cause.or_else(|| mailbox.handling());
                    if let Emitted::Question { id, .. } = emitted {
                        mailbox.asked(id);
                        mailbox.answer(Answer::Nobody {
                            why: "no cell runs whose client could be asked".into(),
                        });
                    } else {
                        if matches!(emitted, Emitted::Handled(_)) {
                            // An interrupt was for that handler and not for the next.
                            self.interrupter.attending(process);
                        }
                        self.hand_on(cause, emitted, &mut audience, outputs);
                    }
                });
                self.interrupter.end();
                if end.is_ok() {
                    self.worker = Some(worker);
                }
                end
            }
            None => {
                mailbox.wait();
                Ok(())
            }
        };
        self.audience = audience;
        mailbox.heard();
        if let Err(death) = end {
            let failure = self.bury(&death, outputs);
            outputs(Output::Stderr(failure.traceback.join("\n") + "\n"));
        }
    }

    /// Brings something that the worker emitted to whom it is for.
    pub(super) fn hand_on(
        &self,
        cause: Option<u64>,
        emitted: Emitted,
        audience: &mut Audience,
        outputs: &mut dyn FnMut(Output),
    ) {
        let output = match emitted {
            Emitted::Output(Output::Stderr(text)) => Output::Stderr(self.with_user_columns(text)),
            Emitted::Output(output) => {
                if let Output::Comm(packet) = &output {
                    self.mailbox.sent(packet);
                }
                output
            }
            Emitted::ThreadPanic { thread, panic } => {
                self.remember(&thread, &panic);
                let message = self.panic_message(&panic, &format!("thread `{thread}` panicked"));
                Output::Stderr(render(&message, &self.texts) + "\n")
            }
            Emitted::Question { id, question } => {
                self.mailbox.asked(id);
                if let Some(answer) = audience.ask(&question) {
                    self.mailbox.answer(answer);
                }
                return;
            }
            Emitted::Handled(number) => {
                self.mailbox.handled(number);
                audience.handled(number);
                return;
            }
        };
        audience.take(cause, output, outputs);
    }

    /// The comms of a worker that is gone are closed, and what it was to handle is done with.
    pub(super) fn close_comms(&mut self, outputs: &mut dyn FnMut(Output)) {
        let (unhandled, comms) = self.mailbox.left_behind();
        for comm in comms.into_keys() {
            outputs(Output::Comm(Packet { comm, action: Action::Close, payload: "{}".into() }));
        }
        for number in unhandled {
            self.audience.handled(number);
        }
    }
}

//! Outputs on their way to the clients: what can be one message becomes one, in a bounded space.
//!
//! A cell may emit far more than a client can draw. What it emits is collected here and sent in rounds: the
//! first output at once, after it at most one round every [`INTERVAL`]. In between, neighbouring text of a
//! stream grows together, a newer state of a display takes the place of the older one, and what a
//! `clear_output` takes away is not sent at all. When the space is full nothing more is taken, and so the
//! cell waits.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::runner::Parent;
use crate::engine::Output;

/// The time from one round to the next: smooth for the eye, few enough messages for a browser.
const INTERVAL: Duration = Duration::from_millis(34);
/// How much text and data may wait for the next round.
const BYTES: usize = 1 << 20;
/// How many outputs that cannot be merged may wait for the next round.
const COUNT: usize = 1024;

/// What waits for the next round, in order.
#[derive(Debug, Default)]
pub(super) struct Flow {
    waiting: VecDeque<(Parent, Output)>,
    bytes: usize,
    next_round: Option<Instant>,
}

impl Flow {
    /// Whether more may be added.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < BYTES && self.waiting.len() < COUNT
    }

    /// When what waits is to be sent; nothing if nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        let now = || self.next_round.unwrap_or_else(Instant::now);
        (!self.waiting.is_empty()).then(now)
    }

    /// Adds an output behind all others.
    pub(super) fn push(&mut self, parent: Parent, output: Output) {
        match &output {
            Output::Update { id, .. } => self.drop_older(&parent, id),
            Output::Clear { wait: false } => self.drop_cleared(&parent, self.waiting.len()),
            // A comm's messages stand in no output area.
            Output::Clear { wait: true } | Output::Comm(_) => {}
            _ => self.drop_for_waiting_clear(&parent),
        }
        self.bytes += size(&output);
        self.waiting.push_back((parent, output));
        self.join(self.waiting.len() - 1);
    }

    /// A round: all that waits.
    pub(super) fn take(&mut self) -> VecDeque<(Parent, Output)> {
        self.bytes = 0;
        self.next_round = Some(Instant::now() + INTERVAL);
        std::mem::take(&mut self.waiting)
    }

    /// The next output goes out at once: a cell has ended, and another one's first output is no flood.
    pub(super) fn at_rest(&mut self) {
        self.next_round = None;
    }

    /// Takes out the state of a display that a newer one replaces. It does not matter what came in between:
    /// a client shows the newer one in all places of the display.
    fn drop_older(&mut self, parent: &Parent, id: &str) {
        let older = self.waiting.iter().rposition(|(of, output)| {
            of.is(parent) && matches!(output, Output::Update { id: known, .. } if known == id)
        });
        if let Some(at) = older {
            self.remove(at);
            // Text that it stood between.
            self.join(at);
        }
    }

    /// A clear that waited for the next output, with this one, takes effect.
    fn drop_for_waiting_clear(&mut self, parent: &Parent) {
        let clears =
            |(of, output): &(Parent, Output)| of.is(parent) && matches!(output, Output::Clear { .. });
        if let Some(at) = self.waiting.iter().rposition(clears) {
            self.drop_cleared(parent, at);
        }
    }

    /// Takes out what a client would remove again: all before `end` that stands in the parent's output area.
    fn drop_cleared(&mut self, parent: &Parent, end: usize) {
        let gone = |(of, output): &(Parent, Output)| {
            of.is(parent) && !matches!(output, Output::Update { .. } | Output::Comm(_))
        };
        for at in (0..end).rev() {
            if gone(&self.waiting[at]) {
                self.remove(at);
            }
        }
    }

    fn remove(&mut self, at: usize) {
        if let Some((_, output)) = self.waiting.remove(at) {
            self.bytes -= size(&output);
        }
    }

    /// Joins the output at a place to the one before it, if both are text of one stream.
    fn join(&mut self, at: usize) {
        let Some(before) = at.checked_sub(1) else { return };
        let same = match (self.waiting.get(before), self.waiting.get(at)) {
            (Some((a, Output::Stdout(_))), Some((b, Output::Stdout(_))))
            | (Some((a, Output::Stderr(_))), Some((b, Output::Stderr(_)))) => a.is(b),
            _ => false,
        };
        if !same {
            return;
        }
        let Some((_, Output::Stdout(more) | Output::Stderr(more))) = self.waiting.remove(at) else { return };
        if let Some((_, Output::Stdout(text) | Output::Stderr(text))) = self.waiting.get_mut(before) {
            text.push_str(&more);
        }
    }
}

/// About how much an output weighs.
fn size(output: &Output) -> usize {
    use sconce_display::comm::Packet;
    use sconce_display::{Bundle, Content};
    let of_bundle = |bundle: &Bundle| {
        let forms = bundle.forms.iter().map(|(_, content)| match content {
            Content::Text(text) | Content::Json(text) => text.len(),
            Content::Bytes(bytes) => bytes.len(),
        });
        forms.sum()
    };
    match output {
        Output::Stdout(text) | Output::Stderr(text) => text.len(),
        Output::Display { bundle, .. }
        | Output::Update { bundle, .. }
        | Output::Result(bundle)
        | Output::Page(bundle) => of_bundle(bundle),
        Output::Clear { .. } | Output::Times { .. } => 0,
        Output::Comm(Packet { payload, .. }) => {
            payload.data.len() + payload.buffers.iter().map(Vec::len).sum::<usize>()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sconce_display::Bundle;
    use serde_json::Map;

    use super::*;

    fn parent() -> Parent {
        Parent::Beside(Arc::new(Map::new()))
    }

    fn out(text: &str) -> Output {
        Output::Stdout(text.into())
    }

    fn err(text: &str) -> Output {
        Output::Stderr(text.into())
    }

    fn display(text: &str) -> Output {
        Output::Display { id: Some("a".into()), bundle: Bundle::text(text) }
    }

    fn update(id: &str, text: &str) -> Output {
        Output::Update { id: id.into(), bundle: Bundle::text(text) }
    }

    /// What becomes of outputs of one parent that come before the next round.
    fn sent(outputs: &[Output]) -> Vec<Output> {
        let (mut flow, parent) = (Flow::default(), parent());
        for output in outputs {
            flow.push(parent.clone(), output.clone());
            assert_eq!(flow.bytes, flow.waiting.iter().map(|(_, output)| size(output)).sum::<usize>());
        }
        flow.take().into_iter().map(|(_, output)| output).collect()
    }

    #[test]
    fn text_of_a_stream_joins_and_nothing_changes_places() {
        let outputs = [out("a\r"), out("b"), err("c"), out("d"), display("e"), out("f"), out("g\n")];
        assert_eq!(sent(&outputs), [out("a\rb"), err("c"), out("d"), display("e"), out("fg\n")]);
    }

    #[test]
    fn the_last_state_of_each_display_is_sent() {
        let outputs = [display("0"), update("a", "1"), update("b", "1"), update("a", "2"), update("a", "3")];
        assert_eq!(sent(&outputs), [display("0"), update("b", "1"), update("a", "3")]);
        let with_text = [update("a", "1"), out("x"), update("a", "2"), out("y"), update("a", "3")];
        assert_eq!(sent(&with_text), [out("xy"), update("a", "3")]);
    }

    #[test]
    fn what_is_cleared_is_not_sent() {
        let (clear, wait) = (Output::Clear { wait: false }, Output::Clear { wait: true });
        let outputs = [out("a"), display("b"), update("c", "1"), clear.clone(), out("d")];
        assert_eq!(sent(&outputs), [update("c", "1"), clear, out("d")]);
        // A clear that waits takes nothing away before something follows.
        assert_eq!(sent(&[out("a"), wait.clone()]), [out("a"), wait.clone()]);
        let frames = [out("a"), wait.clone(), display("1"), wait.clone(), display("2"), wait.clone()];
        assert_eq!(sent(&frames), [wait.clone(), display("2"), wait]);
    }

    #[test]
    fn parents_do_not_mix() {
        let (mut flow, one, other) = (Flow::default(), parent(), parent());
        for (parent, output) in [
            (&one, out("a")),
            (&other, out("b")),
            (&one, update("d", "1")),
            (&other, update("d", "2")),
            (&other, Output::Clear { wait: false }),
        ] {
            flow.push(parent.clone(), output);
        }
        let sent: Vec<(bool, Output)> =
            flow.take().into_iter().map(|(parent, output)| (parent.is(&one), output)).collect();
        let expected = [
            (true, out("a")),
            (true, update("d", "1")),
            (false, update("d", "2")),
            (false, Output::Clear { wait: false }),
        ];
        assert_eq!(sent, expected);
    }

    #[test]
    fn the_first_output_is_due_at_once_and_a_full_space_waits_for_its_round() {
        let (mut flow, parent) = (Flow::default(), parent());
        let now = Instant::now();
        assert_eq!(flow.due(), None);
        flow.push(parent.clone(), out("a"));
        assert!(flow.due() <= Some(Instant::now()));
        flow.take();
        flow.push(parent.clone(), out(&"b".repeat(BYTES)));
        assert!(!flow.has_room());
        assert!(flow.due() >= Some(now + INTERVAL));
        flow.take();
        assert!(flow.has_room() && flow.due().is_none());
        flow.at_rest();
        for _ in 0..COUNT {
            assert!(flow.has_room());
            flow.push(parent.clone(), display("x"));
        }
        assert!(!flow.has_room());
        assert!(flow.due() <= Some(Instant::now()));
    }
}

//! What the cells of a notebook have shown, kept the way a Jupyter client keeps it.

use sconce_display::Bundle;
use serde_json::{Value, json};

use super::terminal::Terminal;
use crate::engine::{Failure, Output};
use crate::mime;

/// The outputs of all cells that ran, so that an update in one cell reaches a display of an earlier one.
#[derive(Debug, Default)]
pub struct Outputs {
    areas: Vec<Area>,
}

/// What one cell has shown.
#[derive(Debug, Default)]
struct Area {
    items: Vec<Item>,
    /// The next output replaces everything.
    clear_next: bool,
}

#[derive(Debug)]
enum Item {
    Stream { name: &'static str, terminal: Terminal },
    Display { id: Option<String>, bundle: Bundle },
    Result { execution_count: u64, bundle: Bundle },
    Error(Failure),
}

impl Outputs {
    /// Opens the outputs of the next cell; everything that is added belongs to it.
    pub fn begin_cell(&mut self) {
        self.areas.push(Area::default());
    }

    /// Takes up one output of the running cell, the one with `In [execution_count]`.
    pub fn add(&mut self, output: Output, execution_count: u64) {
        match output {
            Output::Stdout(text) => self.show_text("stdout", &text),
            Output::Stderr(text) => self.show_text("stderr", &text),
            Output::Display { id, bundle } => {
                // An id that is shown twice is one display in two places.
                if let Some(id) = &id {
                    self.update(id, &bundle);
                }
                self.show(Item::Display { id, bundle });
            }
            Output::Update { id, bundle } => self.update(&id, &bundle),
            Output::Clear { wait } => {
                if let Some(area) = self.areas.last_mut() {
                    area.clear(wait);
                }
            }
            Output::Result(bundle) => self.show(Item::Result { execution_count, bundle }),
            // A notebook has no pager: it is shown where it was asked for.
            Output::Page(bundle) => self.show(Item::Display { id: None, bundle }),
            // A file has no other end that a comm could talk to.
            Output::Times { .. } | Output::Comm(_) => {}
        }
    }

    /// Adds the error that the running cell ended with.
    pub fn fail(&mut self, failure: Failure) {
        self.show(Item::Error(failure));
    }

    /// The outputs of each cell in nbformat's JSON, in the order in which they ran.
    pub fn into_json(self) -> Vec<Vec<Value>> {
        self.areas.into_iter().map(Area::into_json).collect()
    }

    fn show(&mut self, item: Item) {
        if let Some(area) = self.areas.last_mut() {
            area.start_output();
            area.items.push(item);
        }
    }

    fn show_text(&mut self, stream: &'static str, text: &str) {
        let Some(area) = self.areas.last_mut() else { return };
        area.start_output();
        if let Some(Item::Stream { name, terminal }) = area.items.last_mut()
            && *name == stream
        {
            terminal.write(text);
            return;
        }
        let mut terminal = Terminal::default();
        terminal.write(text);
        area.items.push(Item::Stream { name: stream, terminal });
    }

    /// Replaces what every display with this id shows, in all cells. Without one nothing happens, as in Jupyter.
    fn update(&mut self, wanted: &str, new: &Bundle) {
        for item in self.areas.iter_mut().flat_map(|area| &mut area.items) {
            if let Item::Display { id: Some(id), bundle } = item
                && id == wanted
            {
                bundle.clone_from(new);
            }
        }
    }
}

impl Area {
    fn clear(&mut self, wait: bool) {
        self.clear_next = wait;
        if !wait {
            self.items.clear();
        }
    }

    fn start_output(&mut self) {
        if std::mem::take(&mut self.clear_next) {
            self.items.clear();
        }
    }

    fn into_json(self) -> Vec<Value> {
        self.items.into_iter().flat_map(Item::into_json).collect()
    }
}

impl Item {
    fn into_json(self) -> Vec<Value> {
        match self {
            Item::Stream { terminal, .. } if terminal.is_empty() => Vec::new(),
            Item::Stream { name, terminal } => vec![stream(name, terminal.into_text())],
            Item::Display { bundle, .. } => shown(json!({"output_type": "display_data"}), &bundle),
            Item::Result { execution_count, bundle } => {
                shown(json!({"output_type": "execute_result", "execution_count": execution_count}), &bundle)
            }
            Item::Error(Failure { name, message, traceback }) => vec![
                json!({"output_type": "error", "ename": name, "evalue": message, "traceback": traceback}),
            ],
        }
    }
}

fn stream(name: &str, text: String) -> Value {
    json!({"output_type": "stream", "name": name, "text": text})
}

/// A shown value, after a note of what in it was not valid.
fn shown(mut output: Value, bundle: &Bundle) -> Vec<Value> {
    let converted = mime::from_bundle(bundle);
    output["data"] = Value::Object(converted.data);
    output["metadata"] = Value::Object(converted.metadata);
    let note = converted.problems.iter().map(|problem| format!("display: {problem}\n")).collect::<String>();
    let note = (!note.is_empty()).then(|| stream("stderr", note));
    note.into_iter().chain([output]).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cells(cells: Vec<Vec<Output>>) -> Vec<Vec<Value>> {
        let mut outputs = Outputs::default();
        for (index, cell) in cells.into_iter().enumerate() {
            outputs.begin_cell();
            cell.into_iter().for_each(|output| outputs.add(output, index as u64 + 1));
        }
        outputs.into_json()
    }

    fn display(id: Option<&str>, text: &str) -> Output {
        Output::Display { id: id.map(str::to_owned), bundle: Bundle::text(text) }
    }

    fn update(id: &str, text: &str) -> Output {
        Output::Update { id: id.to_owned(), bundle: Bundle::text(text) }
    }

    fn texts(cell: &[Value]) -> Vec<&str> {
        cell.iter().map(|output| output["data"]["text/plain"].as_str().unwrap_or("-")).collect()
    }

    #[test]
    fn adjacent_streams_of_one_name_are_one_output() {
        let out = |text: &str| Output::Stdout(text.to_owned());
        let err = |text: &str| Output::Stderr(text.to_owned());
        let cells = cells(vec![vec![out("a"), out("b\n"), err("c"), out("1 %\r"), out("2 %")]]);
        assert_eq!(
            cells[0],
            [
                json!({"output_type": "stream", "name": "stdout", "text": "ab\n"}),
                json!({"output_type": "stream", "name": "stderr", "text": "c"}),
                json!({"output_type": "stream", "name": "stdout", "text": "2 %"}),
            ]
        );
    }

    #[test]
    fn a_result_carries_its_count_and_metadata() {
        let bundle = Bundle::text("t").png(vec![1, 2, 3]).meta("image/png", r#"{"width": 3}"#);
        let cells = cells(vec![vec![], vec![Output::Result(bundle)]]);
        assert_eq!(
            cells[1],
            [json!({"output_type": "execute_result", "execution_count": 2,
                "data": {"text/plain": "t", "image/png": "AQID"}, "metadata": {"image/png": {"width": 3}}})]
        );
    }

    #[test]
    fn an_update_reaches_every_cell() {
        let cells = cells(vec![
            vec![display(Some("a"), "1"), display(None, "x")],
            vec![display(Some("a"), "2"), display(Some("b"), "y")],
            vec![update("a", "3"), update("gone", "z")],
        ]);
        assert_eq!(texts(&cells[0]), ["3", "x"]);
        assert_eq!(texts(&cells[1]), ["3", "y"]);
        assert_eq!(texts(&cells[2]), [""; 0]);
    }

    #[test]
    fn a_repeated_id_updates_what_stands() {
        let cells = cells(vec![vec![display(Some("a"), "1"), display(Some("a"), "2")]]);
        assert_eq!(texts(&cells[0]), ["2", "2"]);
    }

    #[test]
    fn clear_with_wait_waits_for_the_next_output() {
        let waiting = vec![display(None, "1"), Output::Clear { wait: true }];
        assert_eq!(texts(&cells(vec![waiting.clone()])[0]), ["1"]);
        let mut replaced = waiting;
        replaced.push(display(None, "2"));
        assert_eq!(texts(&cells(vec![replaced])[0]), ["2"]);
        let now = vec![display(None, "1"), Output::Clear { wait: false }, display(None, "2")];
        assert_eq!(texts(&cells(vec![now])[0]), ["2"]);
        let other_cell = vec![vec![display(None, "1")], vec![Output::Clear { wait: false }]];
        assert_eq!(texts(&cells(other_cell)[0]), ["1"], "only the running cell is cleared");
    }

    #[test]
    fn invalid_json_in_a_display_is_said_beside_it() {
        let bundle = Bundle::text("x").meta("text/plain", "[");
        let cells = cells(vec![vec![Output::Display { id: None, bundle }]]);
        assert!(cells[0][0]["text"].as_str().unwrap().contains("text/plain"));
        assert_eq!(cells[0][1]["data"]["text/plain"], "x");
    }
}

//! From a cell to the crate that rustc gets.
//!
//! The crate is called the same for every cell, because the orphan rule forbids an impl in another crate
//! than its type: its root includes one file for each cell that gives definitions, and one that holds the
//! cell's own statements as the function that the worker calls.
//!
//! The statements become steps: a `let` is one, and so are the statements up to the next. A step is a
//! closure that borrows, run in `catch_unwind`; where it stops, the variables made so far go to the store.

use std::collections::BTreeSet;
use std::ops::Range;

use super::items::{Definition, Kind as DefinitionKind, Text};
use super::placed::{Edit, Mark, Placed};
use super::plan::{File, Generated, Grain, Made, Plan};
use super::source::{Kind, Let, Piece};
use super::statics::Static;

/// The crate name of every cell, which is the path of the user's types in messages.
pub const CRATE: &str = "notebook";

/// Whatever the user calls `Ok`.
const OK: &str = "::std::result::Result::Ok";

/// Makes the crate.
pub fn generate(plan: &Plan<'_>) -> Generated {
    let cell = plan.cell.number;
    let mut symbols = Vec::new();
    let (macros, items): (Vec<&Definition>, Vec<&Definition>) = plan
        .definitions
        .iter()
        .partition(|definition| matches!(definition.kind, DefinitionKind::Macro { .. }));
    // A macro must stand before its calls, those in definitions older than itself included.
    let mut files = earlier_items("macros", &macros, plan, &mut symbols);
    files.push(File { folder: "items", cell, placed: own_items(plan, &mut symbols) });
    files.extend(earlier_items("items", &items, plan, &mut symbols));
    let entry = format!("sconce_cell_{cell}");
    let mut body =
        Body { plan, out: Placed::default(), live: Vec::new(), made: Vec::new(), steps: Vec::new() };
    body.write(&entry);
    files.push(File { folder: "body", cell, placed: body.out });
    Generated { files, entry, made: body.made, symbols, steps: body.steps }
}

/// One file for each cell that gives definitions.
fn earlier_items(
    folder: &'static str,
    definitions: &[&Definition],
    plan: &Plan<'_>,
    symbols: &mut Vec<String>,
) -> Vec<File> {
    let mut files: Vec<File> = Vec::new();
    let mut ends: Vec<usize> = Vec::new();
    for definition in definitions {
        let Some(text) = plan.texts.get(&definition.cell) else { continue };
        if files.last().is_none_or(|file| file.cell != definition.cell) {
            files.push(File { folder, cell: definition.cell, placed: Placed::default() });
            ends.push(0);
        }
        let (Some(File { cell, placed: file, .. }), Some(end)) = (files.last_mut(), ends.last_mut()) else {
            continue;
        };
        match &definition.text {
            Text::Written(text) => file.marked(&format!("{text} "), Mark::Import { text: text.clone() }),
            Text::Source(range) => {
                file.blank(text, (*end).min(range.start)..range.start);
                // What is replaced as a whole goes before what is changed inside it.
                let whole = definition.replaced.iter().cloned();
                let mut edits: Vec<Edit> = whole.map(|range| Edit { range, with: String::new() }).collect();
                edits.extend(definition.checks.iter().filter(|_| plan.checks).cloned());
                for found in &definition.statics {
                    edits.extend(static_edits(found, plan.symbols, symbols));
                }
                edits.sort_by_key(|edit| edit.range.start);
                file.user(*cell, text, range.clone(), &edits);
                file.glue(" ");
                *end = range.end;
            }
        }
    }
    files
}

/// A static is defined in the first library that has it, and declared in all later ones.
fn static_edits(found: &Static, known: &BTreeSet<String>, defined: &mut Vec<String>) -> Vec<Edit> {
    if found.symbols.iter().all(|symbol| known.contains(symbol)) {
        return vec![Edit { range: found.range.clone(), with: found.declaration.clone() }];
    }
    defined.extend(found.symbols.iter().cloned());
    let (start, end) = (found.range.start, found.range.end);
    vec![
        Edit { range: start..start, with: found.before.clone() },
        Edit { range: end..end, with: found.after.clone() },
    ]
}

fn own_items(plan: &Plan<'_>, symbols: &mut Vec<String>) -> Placed {
    let cell = plan.cell;
    let mut file = Placed::default();
    let mut end = 0;
    for piece in &cell.pieces {
        let Kind::Items(definitions) = &piece.kind else { continue };
        file.blank(&cell.text, end..piece.range.start);
        let mut edits = edits_in(plan, piece);
        for found in definitions.iter().flat_map(|definition| &definition.statics) {
            edits.extend(static_edits(found, &BTreeSet::new(), symbols));
        }
        edits.sort_by_key(|edit| edit.range.start);
        file.user(cell.number, &cell.text, piece.range.clone(), &edits);
        file.glue(" ");
        end = piece.range.end;
    }
    file
}

/// The changes to the text of a piece.
fn edits_in(plan: &Plan<'_>, piece: &Piece) -> Vec<Edit> {
    let checks = plan.cell.checks.iter().filter(|_| plan.checks);
    let mut edits: Vec<Edit> = checks
        .chain(&plan.cell.edits)
        .filter(|edit| piece.range.contains(&edit.range.start))
        .cloned()
        .collect();
    edits.sort_by_key(|edit| edit.range.start);
    edits
}

struct Body<'a> {
    plan: &'a Plan<'a>,
    out: Placed,
    /// The variables that a name reaches now, by name and key.
    live: Vec<(String, String)>,
    made: Vec<Made>,
    steps: Vec<Range<usize>>,
}

impl Body<'_> {
    fn write(&mut self, entry: &str) {
        self.out.glue(&format!("#[unsafe(no_mangle)] pub fn {entry}(__run: &mut ::sconce_cell::Run) {{ "));
        for given in self.plan.given {
            let mutable = if given.mutable { "mut " } else { "" };
            let line =
                format!("let {mutable}{}: {} = ::sconce_cell::take({:?}); ", given.name, given.ty, given.key);
            self.out.marked(&line, Mark::Take { key: given.key.clone() });
            self.live.push((given.name.clone(), given.key.clone()));
        }
        match self.plan.grain {
            Grain::Steps => self.write_steps(),
            Grain::Whole => self.write_whole(),
        }
        self.put_all(self.steps.len(), &[]);
        self.out.glue("}");
    }

    fn write_steps(&mut self) {
        let cell = self.plan.cell;
        let mut end = 0;
        let mut index = 0;
        while let Some(piece) = cell.pieces.get(index) {
            match &piece.kind {
                Kind::Items(_) => index += 1,
                Kind::Let(found) => {
                    self.out.blank(&cell.text, end..piece.range.start);
                    self.write_let(piece, found);
                    end = piece.range.end;
                    index += 1;
                }
                Kind::Statement { .. } => {
                    // Definitions in between are elsewhere; they do not end a step.
                    let group: Vec<&Piece> = cell.pieces[index..]
                        .iter()
                        .take_while(|piece| !matches!(piece.kind, Kind::Let(_)))
                        .collect();
                    index += group.len();
                    end = self.write_statements(&group, end);
                }
            }
        }
        self.out.blank(&cell.text, end..cell.text.len());
    }

    fn write_let(&mut self, piece: &Piece, found: &Let) {
        let names: Vec<&str> = found.bindings.iter().map(|binding| binding.name.as_str()).collect();
        let patterns: Vec<String> = found
            .bindings
            .iter()
            .map(|binding| format!("{}{}", if binding.mutable { "mut " } else { "" }, binding.name))
            .collect();
        let given = self.given_back(&names);
        self.open_step(found.awaits, &patterns, &given);
        self.statement(piece);
        self.close_step(found.awaits, &names, &given, piece.range.clone());
        self.bind(found);
    }

    /// The variables that the next step hands back, by name and key; a `let` that makes another of the same
    /// name hands back its own.
    fn given_back(&self, made: &[&str]) -> Vec<(String, String)> {
        let step = self.steps.len();
        let comes_back = |(name, key): &&(String, String)| {
            self.plan.given_back.get(key).is_some_and(|steps| steps.contains(&step))
                && !made.contains(&name.as_str())
        };
        self.live.iter().filter(comes_back).cloned().collect()
    }

    fn open_step(&mut self, awaits: bool, patterns: &[String], given: &[(String, String)]) {
        let mut patterns = patterns.to_vec();
        patterns.extend(given.iter().map(|(name, _)| format!("mut {name}")));
        let open = match self.plan.runtime {
            _ if !awaits => "step(|| { ".to_owned(),
            None => "step_async(async { ".to_owned(),
            Some(runtime) => format!("step_async(::{runtime}::within(async {{ "),
        };
        self.out.glue(&format!("let {OK}(({})) = __run.{open}", tuple(&patterns)));
    }

    fn close_step(&mut self, awaits: bool, names: &[&str], given: &[(String, String)], range: Range<usize>) {
        let ok = if awaits { format!("{OK}::<_, ::sconce_cell::Failed>") } else { OK.to_owned() };
        self.out.glue(&format!(" {ok}(({}", tuple(names)));
        for (name, key) in given {
            self.out.marked(&format!("{name},"), Mark::GiveBack { key: key.clone() });
        }
        let close = if awaits && self.plan.runtime.is_some() { ")) })) else { " } else { ")) }) else { " };
        self.out.glue(close);
        self.put_all(self.steps.len(), given);
        self.out.glue("return };");
        self.steps.push(range);
    }

    /// Puts the names of a `let` in force and asks for their types.
    fn bind(&mut self, found: &Let) {
        for binding in &found.bindings {
            let key = format!("{}@{}.{}", binding.name, self.plan.cell.number, self.made.len());
            self.live.retain(|(name, _)| *name != binding.name);
            self.live.push((binding.name.clone(), key.clone()));
            // What has been moved or was never made has no type that could be asked for.
            let unmade = self.plan.lost.get(&key).is_some_and(|lost| lost.from == 0 && !lost.borrows);
            if !found.closure && !unmade {
                self.out.marked(
                    &format!(" ::std::mem::drop(&{});", binding.name),
                    Mark::Probe { key: key.clone() },
                );
            }
            self.made.push(Made {
                name: binding.name.clone(),
                key,
                mutable: binding.mutable,
                range: binding.range.clone(),
                closure: found.closure,
            });
        }
    }

    /// Returns where the text is after them.
    fn write_statements(&mut self, group: &[&Piece], mut end: usize) -> usize {
        let cell = self.plan.cell;
        let awaits = group.iter().any(|piece| matches!(piece.kind, Kind::Statement { awaits: true, .. }));
        let given = self.given_back(&[]);
        let mut range: Option<Range<usize>> = None;
        for piece in group {
            let Kind::Statement { value, .. } = piece.kind else { continue };
            self.out.blank(&cell.text, end..piece.range.start);
            if range.is_none() {
                self.open_step(awaits, &[], &given);
            }
            self.statement_or_value(piece, value);
            end = piece.range.end;
            range = Some(range.map_or(piece.range.start, |range| range.start)..end);
        }
        if let Some(range) = range {
            self.close_step(awaits, &[], &given, range);
        }
        end
    }

    fn write_whole(&mut self) {
        let cell = self.plan.cell;
        let awaits = cell.pieces.iter().any(|piece| match &piece.kind {
            Kind::Let(found) => found.awaits,
            Kind::Statement { awaits, .. } => *awaits,
            Kind::Items(_) => false,
        });
        let outside = self.live.clone();
        let given = self.given_back(&[]);
        self.open_step(awaits, &[], &given);
        let mut end = 0;
        let mut asked = Vec::new();
        for piece in &cell.pieces {
            match &piece.kind {
                Kind::Items(_) => continue,
                Kind::Let(found) => {
                    self.out.blank(&cell.text, end..piece.range.start);
                    self.statement(piece);
                    // Without a value there is nothing to ask yet.
                    if found.plain {
                        self.bind(found);
                    } else {
                        asked.push(found);
                    }
                }
                Kind::Statement { value, .. } => {
                    self.out.blank(&cell.text, end..piece.range.start);
                    self.statement_or_value(piece, *value);
                }
            }
            end = piece.range.end;
        }
        self.out.blank(&cell.text, end..cell.text.len());
        for found in asked {
            self.bind(found);
        }
        // What was made inside goes to the store inside; what came from outside, outside.
        self.live.retain(|variable| !outside.contains(variable));
        self.put_all(1, &[]);
        self.live = outside;
        self.close_step(awaits, &[], &given, 0..cell.text.len());
        let made: Vec<String> = self.made.iter().map(|made| made.name.clone()).collect();
        self.live.retain(|(name, _)| !made.contains(name));
    }

    fn statement(&mut self, piece: &Piece) {
        let cell = self.plan.cell;
        self.out.user(cell.number, &cell.text, piece.range.clone(), &edits_in(self.plan, piece));
    }

    fn statement_or_value(&mut self, piece: &Piece, value: bool) {
        if value {
            self.out.glue("match &(");
            self.statement(piece);
            self.out.glue(") { __value => ::sconce_cell::show!(__value) };");
        } else {
            self.statement(piece);
            self.out.glue(" ");
        }
    }

    /// The variables go to the store; those that borrow go away before what they borrow from.
    fn put_all(&mut self, branch: usize, moved: &[(String, String)]) {
        let lost = |key: &String| self.plan.lost.get(key).filter(|lost| branch >= lost.from);
        let closures: Vec<&String> =
            self.made.iter().filter(|made| made.closure).map(|made| &made.key).collect();
        for (name, key) in self.live.iter().rev() {
            if lost(key).is_some_and(|lost| lost.dropped) {
                let mark = Mark::Drop { key: key.clone(), branch };
                self.out.marked(&format!("::std::mem::drop({name}); "), mark);
            }
        }
        for (name, key) in &self.live {
            let is_moved = moved.iter().any(|(_, moved)| moved == key);
            if lost(key).is_none() && !is_moved && !closures.contains(&key) {
                let mark = Mark::Put { key: key.clone(), branch };
                self.out.marked(&format!("::sconce_cell::put({key:?}, {name}); "), mark);
            }
        }
    }
}

/// The inside of a tuple; one of one item has a comma.
fn tuple<T: AsRef<str>>(items: &[T]) -> String {
    items.iter().map(|item| format!("{},", item.as_ref())).collect()
}

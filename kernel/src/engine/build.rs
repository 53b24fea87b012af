//! From a cell to a library: compile, learn from what rustc says, compile again where that helps.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use super::definitions::Definitions;
use super::diagnose::{Findings, findings};
use super::generate::generate;
use super::mistakes::plain;
use super::names::Names;
use super::plan::{Generated, Given, GivenBack, Grain, Lost, Made, Plan};
use super::render::{Message, message};
use super::rustc::{Make, Said};
use super::session::Session;
use super::source::{Cell, Kind};

/// More rounds than any cell needs; each gives up at least one variable.
const ROUNDS: usize = 40;

/// A cell's library and what is known of it.
pub struct Built {
    /// The crate.
    pub generated: Generated,
    /// The definitions in force with it.
    pub definitions: Definitions,
    /// The types that mean something else with it.
    pub changed_types: Names,
    /// The types of its variables, by key.
    pub types: BTreeMap<String, String>,
    /// Warnings for the user.
    pub warnings: Vec<Message>,
    /// Notes for the user.
    pub notes: Vec<String>,
    /// Where it moves variables, by key.
    pub moved: BTreeMap<String, Range<usize>>,
    /// The variables that it makes and that cannot be kept, and why, as the end of a sentence.
    pub not_kept: Vec<(String, &'static str)>,
    /// The crates of `:dep` that the types of its given variables need.
    pub crates: Vec<String>,
    /// The level it was optimised at.
    pub optimize: u8,
}

/// Why there is no library.
pub enum Failed {
    /// The user asked for a stop.
    Interrupted,
    /// rustc could not be run.
    Io(io::Error),
    /// The code is wrong.
    Errors(Vec<Message>),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed::Io(error)
    }
}

impl Session {
    /// Compiles a cell.
    pub(super) fn build(&mut self, cell: &Cell) -> Result<Built, Failed> {
        let mut definitions = self.definitions.clone();
        let own: Vec<_> = cell.definitions().cloned().collect();
        let changed_types = definitions.add(&own);
        let (given, crates) = self.given(cell, &changed_types);
        let mut grain =
            if cell.pieces.iter().any(|piece| matches!(&piece.kind, Kind::Let(found) if !found.plain)) {
                Grain::Whole
            } else {
                Grain::Steps
            };
        let mut names = cell.mentions.clone();
        for definition in &own {
            names.extend(definition.mentions.iter().cloned());
        }
        for given in &given {
            super::names::collect(&given.ty, &mut names);
        }
        let mut lost: BTreeMap<String, Lost> = BTreeMap::new();
        let mut given_back = GivenBack::new();
        let mut gone_for_good = Names::new();
        let mut notes = Vec::new();
        let mut checks = true;
        let mut moved = BTreeMap::new();
        for _ in 0..ROUNDS {
            let needed: Vec<_> = definitions
                .needed(&names)
                .into_iter()
                .filter(|definition| definition.cell != cell.number)
                .collect();
            let works = cell.works || needed.iter().any(|definition| definition.works);
            let plan = Plan {
                cell,
                given: &given,
                definitions: &needed,
                texts: &self.texts,
                symbols: &self.symbols,
                grain,
                lost: &lost,
                given_back: &given_back,
                runtime: self.deps.runtime(),
                checks,
            };
            let generated = generate(&plan);
            let optimize = self.optimize.unwrap_or(if works { 2 } else { 0 });
            let make = Make::Library { optimize, lines: false };
            let said = self.rustc.compile(&generated, cell.number, &crates, make, &self.interrupter)?;
            let said = said.ok_or(Failed::Interrupted)?;
            let found = findings(&said, &generated, &self.rustc, cell.number, grain);
            if said.success {
                let not_kept = not_kept(&generated, &lost);
                let warnings = self.warnings(&said, &generated);
                let types = found.types;
                return Ok(Built {
                    generated,
                    definitions,
                    changed_types,
                    types,
                    warnings,
                    notes,
                    moved,
                    not_kept,
                    crates,
                    optimize,
                });
            }
            moved.extend(found.moved.clone());
            // For the messages, should it come to them.
            let unchecked = generate(&Plan { checks: false, ..plan });
            if !found.not_back.is_empty() {
                for key in &found.not_back {
                    given_back.remove(key);
                    // Without a way back it is lost from the step that moves it on, which the next round says.
                    if !gone_for_good.insert(key.clone()) {
                        lost.insert(key.clone(), Lost { from: 0, borrows: false, dropped: false });
                    }
                }
                continue;
            }
            if found.errors == 0 && !found.lost.is_empty() {
                let mut news = false;
                for (key, new) in &found.lost {
                    if !new.borrows && !gone_for_good.contains(key) && self.comes_back(cell, &generated, key)
                    {
                        news |= given_back.entry(key.clone()).or_default().insert(new.from);
                    } else {
                        news |= absorb(&mut lost, key, *new);
                    }
                }
                if news {
                    continue;
                }
            }
            let stale: Vec<String> =
                found.stale_imports.iter().filter_map(|key| definitions.drop_import(key)).collect();
            if !stale.is_empty() {
                notes
                    .push(format!("`{}` names what is not there any more and went away", stale.join("`, `")));
                continue;
            }
            if let Some(header) = gone_impl(&mut definitions, &found, &changed_types) {
                let why = if found.overlap {
                    "gave way to the new one"
                } else {
                    "does not fit the new type and went away"
                };
                notes.push(format!("an earlier `{header}` {why}"));
                continue;
            }
            if grain == Grain::Steps && found.errors > 0 && found.only_borrows {
                grain = Grain::Whole;
                lost.clear();
                given_back.clear();
                gone_for_good.clear();
                continue;
            }
            match self.errors(&unchecked, cell, &crates, &said, &found)? {
                Some(errors) => return Err(Failed::Errors(errors)),
                // Only a look for interrupts is wrong where it stands.
                None if checks => {
                    checks = false;
                    notes.push(
                        "the loops of this cell cannot look for interrupts, which did not compile there; only a \
                         second interrupt stops it, with the worker and its variables"
                            .into(),
                    );
                }
                None => return Err(Failed::Errors(self.messages(&generated, &said, &found, true))),
            }
        }
        Err(Failed::Errors(vec![plain(
            "the variables of this cell could not be sorted out; split the cell in two",
        )]))
    }

    /// Whether the cell moves this variable and may assign to it anew, as `x = f(x)` does.
    fn comes_back(&self, cell: &Cell, generated: &Generated, key: &str) -> bool {
        let given = self.variables.iter().find(|(_, variable)| variable.key == key);
        let given = given.filter(|(_, variable)| variable.mutable).map(|(name, _)| name);
        let made = generated.made.iter().find(|made| made.key == key && made.mutable).map(|made| &made.name);
        given.or(made).is_some_and(|name| cell.assigned.contains(name))
    }

    /// The variables that the cell names, and the crates that their types need.
    fn given(&self, cell: &Cell, changed: &Names) -> (Vec<Given>, Vec<String>) {
        let named = self
            .variables
            .iter()
            .filter(|(name, variable)| cell.mentions.contains(*name) && !variable.is_stale(changed));
        let mut given = Vec::new();
        let mut crates = Vec::new();
        for (name, variable) in named {
            given.push(Given {
                name: name.clone(),
                key: variable.key.clone(),
                ty: variable.ty.clone(),
                mutable: variable.mutable,
            });
            crates.extend(variable.crates.iter().cloned());
        }
        (given, crates)
    }

    fn warnings(&self, said: &Said, generated: &Generated) -> Vec<Message> {
        let declared = self.declared();
        said.diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.code() == Some("unused_must_use"))
            .map(|diagnostic| message(diagnostic, generated, &self.rustc, &declared))
            .filter(|message| !message.places.is_empty())
            .collect()
    }
}

/// The variables that cannot go to the store, as far as that is known before the cell runs.
fn not_kept(generated: &Generated, lost: &BTreeMap<String, Lost>) -> Vec<(String, &'static str)> {
    let why = |made: &Made| {
        if made.closure {
            let why = "is a closure and is not kept for later cells; write a `fn`, or box it: `Box<dyn Fn(i32) -> i32>`";
            Some((made.name.clone(), why))
        } else if lost.get(&made.key).is_some_and(|lost| lost.borrows) {
            let why = "borrows from its cell and is not kept for later ones; an owned value is: `.clone()`, `.to_owned()`";
            Some((made.name.clone(), why))
        } else {
            None
        }
    };
    let mut told = Names::new();
    // Of those that share a name each would say the same.
    generated.made.iter().filter_map(why).filter(|(name, _)| told.insert(name.clone())).collect()
}

/// Takes over that a variable is lost; whether that is news.
fn absorb(lost: &mut BTreeMap<String, Lost>, key: &str, new: Lost) -> bool {
    let Some(known) = lost.get_mut(key) else {
        lost.insert(key.to_owned(), new);
        return true;
    };
    let before = *known;
    if known.borrows && !new.borrows {
        // It borrows and cannot even be dropped here: it has been moved by then.
        *known = Lost { from: 0, borrows: true, dropped: false };
    } else {
        known.from = known.from.min(new.from);
        known.borrows |= new.borrows;
        known.dropped &= new.dropped;
    }
    *known != before
}

/// Takes an impl out of force that a redefined type has broken, or that is there again in another form.
fn gone_impl(definitions: &mut Definitions, found: &Findings, changed: &Names) -> Option<String> {
    if found.errors == 0 || (changed.is_empty() && !found.overlap) {
        return None;
    }
    found.in_earlier.iter().find_map(|(cell, offset)| definitions.drop_impl_at(*cell, *offset))
}

//! What a session knows that a person may want to name next: for completion and inspection.

use std::sync::Arc;

use super::definitions::Definitions;
use super::items::{Definition, Kind, Space, Text};
use super::session::Session;

/// The state of a session between two cells, to be read while the next one runs.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The variables that the worker holds.
    pub variables: Vec<KnownVariable>,
    /// The definitions in force, in the order they were made.
    pub definitions: Vec<KnownDefinition>,
    /// The crates that every cell can name.
    pub crates: Vec<String>,
}

/// A variable between cells.
#[derive(Debug, Clone)]
pub struct KnownVariable {
    /// Its name.
    pub name: String,
    /// Its type, in full.
    pub ty: String,
    /// Whether it is `mut`.
    pub mutable: bool,
    /// The cell that made it.
    pub cell: u32,
}

/// A definition that is in force.
#[derive(Debug, Clone)]
pub struct KnownDefinition {
    /// The names that it brings into scope.
    pub names: Vec<String>,
    /// What it is.
    pub kind: KnownKind,
    /// The cell that made it.
    pub cell: u32,
    /// Its text.
    pub text: Arc<str>,
}

/// What a definition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownKind {
    /// A function.
    Function,
    /// A constant or static.
    Constant,
    /// A struct, enum, union, trait, alias or module.
    Type,
    /// A macro.
    Macro,
    /// An import.
    Import,
    /// An impl block, or the call of a macro that makes definitions.
    Other,
}

impl Session {
    /// What the session knows now.
    #[must_use]
    pub fn known(&self) -> Known {
        let variables = self.variables.iter().map(|(name, variable)| KnownVariable {
            name: name.clone(),
            ty: variable.ty.clone(),
            mutable: variable.mutable,
            cell: variable.place.cell,
        });
        Known {
            variables: variables.collect(),
            definitions: self.known_definitions(&self.definitions),
            crates: self.prepared.nameable.iter().cloned().collect(),
        }
    }

    fn known_definitions(&self, definitions: &Definitions) -> Vec<KnownDefinition> {
        let known = |definition: &Definition| {
            Some(KnownDefinition {
                names: names_of(definition),
                kind: kind_of(definition),
                cell: definition.cell,
                text: self.text_of(definition)?,
            })
        };
        definitions.all().filter_map(known).collect()
    }

    /// A definition as its cell has it, without the parts that a later cell replaced.
    fn text_of(&self, definition: &Definition) -> Option<Arc<str>> {
        let range = match &definition.text {
            Text::Written(text) => return Some(text.as_str().into()),
            Text::Source(range) => range.clone(),
        };
        let cell = self.texts.get(&definition.cell)?;
        let mut replaced = definition.replaced.clone();
        replaced.sort_by_key(|range| range.start);
        let mut text = String::new();
        let mut end = range.start;
        for part in replaced {
            text.push_str(cell.get(end..part.start)?);
            end = part.end;
        }
        text.push_str(cell.get(end..range.end)?);
        Some(text.into())
    }
}

fn names_of(definition: &Definition) -> Vec<String> {
    let mut names: Vec<String> = definition.names.iter().map(|(_, name)| name.clone()).collect();
    names.dedup();
    names
}

fn kind_of(definition: &Definition) -> KnownKind {
    match &definition.kind {
        Kind::Macro { .. } => KnownKind::Macro,
        Kind::Type => KnownKind::Type,
        Kind::Use => KnownKind::Import,
        Kind::Impl { .. } | Kind::Call => KnownKind::Other,
        Kind::Other if definition.names.iter().any(|(space, _)| *space == Space::Type) => KnownKind::Type,
        Kind::Other if definition.tokens.split(' ').any(|word| word == "fn") => KnownKind::Function,
        Kind::Other => KnownKind::Constant,
    }
}

//! The definitions that are in force, and which of them a cell needs.

use super::items::{Definition, Kind, Space};
use super::names::Names;

/// All definitions in force, in the order they were made.
#[derive(Debug, Default, Clone)]
pub struct Definitions {
    list: Vec<Definition>,
}

impl Definitions {
    /// Puts new definitions in force. Returns the names of types that mean something else from now on.
    pub fn add(&mut self, new: &[Definition]) -> Names {
        let mut changed = Names::new();
        for definition in new {
            self.list.retain_mut(|old| {
                if old.cell == definition.cell || !replaces(definition, old) {
                    return true;
                }
                if old.tokens != definition.tokens && (old.shapes() || definition.shapes()) {
                    changed.extend(old.names.iter().map(|(_, name)| name.clone()));
                }
                false
            });
            self.list.push(definition.clone());
        }
        if changed.is_empty() {
            return changed;
        }
        let changed = self.depend_on(changed);
        let cell = new.first().map_or(0, |definition| definition.cell);
        for definition in &mut self.list {
            // A static of such a type begins anew: the memory of the old one has another layout.
            if definition.cell != cell && !definition.mentions.is_disjoint(&changed) {
                definition.renew_statics(cell);
            }
        }
        changed
    }

    /// All that is, or is written with, these.
    fn depend_on(&self, mut changed: Names) -> Names {
        loop {
            let more: Vec<String> = self
                .list
                .iter()
                .filter(|definition| definition.shapes() && !definition.mentions.is_disjoint(&changed))
                .flat_map(|definition| definition.names.iter().map(|(_, name)| name.clone()))
                .filter(|name| !changed.contains(name))
                .collect();
            if more.is_empty() {
                return changed;
            }
            changed.extend(more);
        }
    }

    /// The definitions that a cell needs which mentions `names`: those it names, what they name in turn,
    /// the impls on these, and every import.
    pub fn needed(&self, names: &Names) -> Vec<&Definition> {
        let mut wanted = names.clone();
        let mut taken = vec![false; self.list.len()];
        loop {
            let mut grew = false;
            for (definition, taken) in self.list.iter().zip(&mut taken) {
                if !*taken && self.is_wanted(definition, &wanted) {
                    *taken = true;
                    grew = true;
                    wanted.extend(definition.mentions.iter().cloned());
                    wanted.extend(definition.names.iter().map(|(_, name)| name.clone()));
                }
            }
            if !grew {
                break;
            }
        }
        self.list.iter().zip(taken).filter_map(|(definition, taken)| taken.then_some(definition)).collect()
    }

    fn is_wanted(&self, definition: &Definition, wanted: &Names) -> bool {
        match &definition.kind {
            Kind::Use | Kind::Call => true,
            Kind::Impl { about, .. } => {
                let mut ours = about.iter().filter(|name| self.defines_type(name)).peekable();
                ours.peek().is_none() || ours.any(|name| wanted.contains(name))
            }
            _ => {
                definition.names.iter().any(|(_, name)| wanted.contains(name))
                    || definition.aliases.iter().any(|name| wanted.contains(name))
            }
        }
    }

    fn defines_type(&self, name: &str) -> bool {
        self.list.iter().any(|definition| {
            definition.kind == Kind::Type
                && definition.names.iter().any(|(space, known)| *space == Space::Type && known == name)
        })
    }

    /// Whether `name` is a `macro_rules!` that makes definitions.
    pub fn macro_makes_items(&self, name: &str) -> bool {
        self.list.iter().any(|definition| definition.is_macro_that_makes_items(name))
    }

    /// All definitions, in the order they were made.
    pub fn all(&self) -> impl Iterator<Item = &Definition> {
        self.list.iter()
    }

    /// Whether something of this name is defined or imported.
    pub fn has(&self, name: &str) -> bool {
        self.list.iter().any(|definition| definition.is(name))
    }

    /// Takes an import out of force; says what it was.
    pub fn drop_import(&mut self, text: &str) -> Option<String> {
        let index = self.list.iter().position(
            |definition| matches!(&definition.text, super::items::Text::Written(written) if written == text),
        )?;
        self.list.remove(index);
        Some(text.trim_end_matches(';').to_owned())
    }

    /// Takes the impls that stand in `cell` at `offset` out of force; says what they were.
    pub fn drop_impl_at(&mut self, cell: u32, offset: usize) -> Option<String> {
        let index = self.list.iter().position(|definition| {
            definition.cell == cell
                && matches!(definition.kind, Kind::Impl { .. })
                && matches!(&definition.text, super::items::Text::Source(range) if range.contains(&offset))
        })?;
        match self.list.remove(index).kind {
            Kind::Impl { header, .. } => Some(header),
            _ => None,
        }
    }
}

/// Whether `new` takes the place of `old`. Marks the functions of an older inherent impl that `new` has too.
fn replaces(new: &Definition, old: &mut Definition) -> bool {
    if let (Kind::Impl { header, parts, .. }, Kind::Impl { header: old_header, parts: old_parts, .. }) =
        (&new.kind, &mut old.kind)
    {
        if header != old_header {
            return false;
        }
        let total = old_parts.len();
        let again = |name: &String| parts.iter().any(|(new_name, _)| new_name == name);
        old.replaced.extend(old_parts.iter().filter(|(name, _)| again(name)).map(|(_, range)| range.clone()));
        old_parts.retain(|(name, _)| !again(name));
        // A trait impl goes whole; an inherent one when nothing is left of it.
        return header.contains(" for ") || (total > 0 && old_parts.is_empty());
    }
    if new.names.is_empty() && old.names.is_empty() && !matches!(new.kind, Kind::Impl { .. }) {
        return new.tokens == old.tokens;
    }
    new.names.iter().any(|(space, name)| {
        old.names.iter().any(|(old_space, old_name)| {
            name == old_name && (space == old_space || *space == Space::Any || *old_space == Space::Any)
        })
    })
}

//! The list of variables, kept in step with what the worker holds.

use sconce_display::wire::{Ending, Reply, Request};

use super::Output;
use super::build::Built;
use super::hints::Gone;
use super::items::Space;
use super::names::Names;
use super::render::Place;
use super::session::{Session, note_output};
use super::source::Cell;
use super::variables::{Variable, why_not_kept};

impl Session {
    /// Variables of a type that means something else from now on go, before the cell runs.
    pub(super) fn drop_stale(&mut self, changed: &Names, cell: &Cell, outputs: &mut dyn FnMut(Output)) {
        let of_changed = self.variables.iter().filter(|(_, variable)| variable.is_stale(changed));
        let mut stale: Vec<String> = of_changed.map(|(name, _)| name.clone()).collect();
        if !stale.is_empty() {
            let types = changed.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let names = stale.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            outputs(note_output(&format!("{types} changed: {names} of the old type went away")));
            for name in &stale {
                self.gone.insert(
                    name.clone(),
                    Gone::because(format!("`{name}` was of a type that cell {} redefined", cell.number)),
                );
            }
        }
        // A function or constant takes the place of a variable of its name.
        for (space, name) in cell.definitions().flat_map(|definition| &definition.names) {
            if *space == Space::Value && self.variables.contains_key(name) {
                stale.push(name.clone());
            }
        }
        let keys = stale
            .iter()
            .filter_map(|name| self.variables.remove(name))
            .map(|variable| variable.key)
            .collect();
        self.forget(keys, outputs);
    }

    /// Brings the list of variables up to what the worker holds.
    pub(super) fn take_stock(
        &mut self,
        cell: &Cell,
        built: &Built,
        reply: &Reply,
        outputs: &mut dyn FnMut(Output),
    ) {
        let number = cell.number;
        let mut forget = Vec::new();
        self.variables.retain(|name, variable| {
            let kept = reply.stored.contains(&variable.key);
            if !kept {
                let range = built.moved.get(&variable.key).cloned();
                self.gone.insert(name.clone(), Gone::moved(name, number, range));
            }
            kept
        });
        for made in &built.generated.made {
            if !reply.stored.contains(&made.key) {
                let why = match built.not_kept.iter().find(|(name, _)| *name == made.name) {
                    Some((name, why)) => Gone::because(format!("`{name}` of cell {number} {why}")),
                    None if reply.ending == Ending::Done => {
                        Gone::moved(&made.name, number, built.moved.get(&made.key).cloned())
                    }
                    None => Gone::because(format!(
                        "cell {number} stopped before `{}` was made, or moved it",
                        made.name
                    )),
                };
                if !self.variables.contains_key(&made.name) {
                    self.gone.insert(made.name.clone(), why);
                }
                continue;
            }
            match built.types.get(&made.key).map(|ty| (ty, why_not_kept(ty))) {
                Some((ty, None)) => {
                    let place = Place { cell: number, range: made.range.clone() };
                    let variable = Variable::new(made, ty, place, &self.prepared);
                    self.gone.remove(&made.name);
                    if let Some(old) = self.variables.insert(made.name.clone(), variable) {
                        forget.push(old.key);
                    }
                }
                found => {
                    let why = found.and_then(|(_, why)| why).unwrap_or("its type could not be found out");
                    outputs(note_output(&format!("`{}` is not kept for later cells: {why}", made.name)));
                    self.gone.insert(
                        made.name.clone(),
                        Gone::because(format!("`{}` of cell {number} was not kept: {why}", made.name)),
                    );
                    forget.push(made.key.clone());
                    if let Some(old) = self.variables.remove(&made.name) {
                        forget.push(old.key);
                    }
                }
            }
        }
        self.forget(forget, outputs);
    }

    pub(super) fn forget(&mut self, keys: Vec<String>, outputs: &mut dyn FnMut(Output)) {
        if keys.is_empty() {
            return;
        }
        if let Err(death) = self.request(Request::Forget { names: keys }, outputs) {
            let failure = self.bury(&death, outputs);
            outputs(Output::Stderr(failure.traceback.join("\n") + "\n"));
        }
    }
}

//! Boxes that stand for all layers of a part.

use std::collections::{BTreeMap, BTreeSet};

use super::units::Units;

/// A box of the picture.
pub(super) struct Group {
    /// What the names of its layers begin with.
    pub(super) title: String,
    /// Its units, in their order.
    pub(super) units: Vec<usize>,
    /// The groups it takes its inputs from, all before it.
    pub(super) inputs: Vec<usize>,
}

/// The boxes of the picture, each after those it takes its inputs from.
pub(super) struct Groups {
    pub(super) groups: Vec<Group>,
}

impl Groups {
    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// Every unit by itself.
    pub(super) fn none(units: &Units) -> Groups {
        Groups::by(units, usize::MAX)
    }

    /// Units whose names share so many parts in one box.
    pub(super) fn by(units: &Units, levels: usize) -> Groups {
        let mut keys: Vec<Option<String>> = units
            .paths
            .iter()
            .map(|path| path.get(..levels).filter(|path| !path.is_empty()).map(|path| path.join(".")))
            .collect();
        loop {
            match ordered(units, &keys) {
                Ok(groups) => return Groups { groups },
                // A part that something else lies in the middle of cannot be one box.
                Err(tangled) => {
                    for key in &mut keys {
                        if key.as_ref().is_some_and(|key| tangled.contains(key)) {
                            *key = None;
                        }
                    }
                }
            }
        }
    }
}

/// The groups in an order in which they can be drawn, or the keys of those that wait for each other.
fn ordered(units: &Units, keys: &[Option<String>]) -> Result<Vec<Group>, BTreeSet<String>> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of = Vec::with_capacity(keys.len());
    for (unit, key) in keys.iter().enumerate() {
        let known = key.as_ref().and_then(|key| places.get(key.as_str()).copied());
        let place = known.unwrap_or_else(|| {
            if let Some(key) = key {
                places.insert(key, groups.len());
            }
            let title = key.clone().unwrap_or_default();
            groups.push(Group { title, units: Vec::new(), inputs: Vec::new() });
            groups.len() - 1
        });
        groups[place].units.push(unit);
        group_of.push(place);
    }
    for (place, group) in groups.iter_mut().enumerate() {
        let inputs = group.units.iter().flat_map(|&unit| &units.inputs[unit]).map(|&unit| group_of[unit]);
        let inputs: BTreeSet<usize> = inputs.filter(|&input| input != place).collect();
        group.inputs = inputs.into_iter().collect();
    }
    // Each time the first one whose inputs are all there.
    let mut order: Vec<usize> = Vec::with_capacity(groups.len());
    let mut placed = vec![None; groups.len()];
    while order.len() < groups.len() {
        let ready = |&place: &usize| {
            placed[place].is_none() && groups[place].inputs.iter().all(|&input| placed[input].is_some())
        };
        let Some(next) = (0..groups.len()).find(ready) else {
            let waiting = groups.iter().zip(&placed).filter(|(_, placed)| placed.is_none());
            return Err(waiting
                .map(|(group, _)| group.title.clone())
                .filter(|key| !key.is_empty())
                .collect());
        };
        placed[next] = Some(order.len());
        order.push(next);
    }
    let renumbered = |group: &Group| Group {
        title: group.title.clone(),
        units: group.units.clone(),
        inputs: group.inputs.iter().filter_map(|&input| placed[input]).collect(),
    };
    Ok(order.into_iter().map(|place| renumbered(&groups[place])).collect())
}

use super::model::Model;
use super::{Widget, widget};

/// Widgets side by side. Clones are the same box.
#[derive(Clone)]
pub struct HBox {
    model: Model,
}

widget!(HBox);

impl HBox {
    /// These from left to right.
    #[must_use]
    pub fn new(children: &[&dyn Widget]) -> HBox {
        HBox { model: Model::container("HBoxModel", "HBoxView", models(children)) }
    }
}

/// Widgets one under the other. Clones are the same box.
#[derive(Clone)]
pub struct VBox {
    model: Model,
}

widget!(VBox);

impl VBox {
    /// These from top to bottom.
    #[must_use]
    pub fn new(children: &[&dyn Widget]) -> VBox {
        VBox { model: Model::container("VBoxModel", "VBoxView", models(children)) }
    }
}

fn models(children: &[&dyn Widget]) -> Vec<Model> {
    children.iter().map(|child| child.model()).collect()
}

//! A widget's state, and its comm to the page: the widget messaging protocol 2.1.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use sconce_display::comm::{Comm, Payload};
use sconce_display::{Bundle, Content};
use serde_json::{Map, Value, json};

use super::control;
use super::handlers::Handlers;

const TARGET: &str = "jupyter.widget";
const PROTOCOL: &str = "2.1.0";
const BASE: &str = "@jupyter-widgets/base";
const CONTROLS: &str = "@jupyter-widgets/controls";
const VERSION: &str = "2.0.0";
const VIEW: &str = "application/vnd.jupyter.widget-view+json";

/// The model of a widget, in the words of ipywidgets. Clones are the same model.
///
/// Its comm is opened when it is shown first; until then nobody needs to hear of changes.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    state: Mutex<Map<String, Value>>,
    /// Other models that the state names once they are shown: layout, style, a box's children.
    parts: Vec<(&'static str, Part)>,
    comm: OnceLock<Comm>,
    changed: Handlers,
    clicked: Handlers,
    /// The entry of the state that a person changes.
    value: &'static str,
}

pub(super) enum Part {
    One(Model),
    Many(Vec<Model>),
}

impl Model {
    /// A widget of the package's: `IntSlider` has the model `IntSliderModel` and the view `IntSliderView`. `style`
    /// names the model of its style, and `value` the entry of its state that a person changes.
    pub(super) fn control(name: &str, view: &str, style: &str, value: &'static str, state: Value) -> Model {
        let style = Model::part(CONTROLS, style, "StyleView", json!({"description_width": ""}));
        let mut parts = layout();
        parts.push(("style", Part::One(style)));
        Model::new(names((CONTROLS, name), (CONTROLS, view)), state, parts, value)
    }

    /// A box with these in it.
    pub(super) fn container(name: &str, view: &str, children: Vec<Model>) -> Model {
        let mut parts = layout();
        parts.push(("children", Part::Many(children)));
        Model::new(names((CONTROLS, name), (CONTROLS, view)), json!({"box_style": ""}), parts, "")
    }

    /// What belongs to another model and has no view of its own.
    fn part(module: &str, name: &str, view: &str, state: Value) -> Model {
        Model::new(names((module, name), (BASE, view)), state, Vec::new(), "")
    }

    fn new(
        mut state: Map<String, Value>,
        own: Value,
        parts: Vec<(&'static str, Part)>,
        value: &'static str,
    ) -> Model {
        if let Value::Object(own) = own {
            state.extend(own);
        }
        Model(Arc::new(Inner {
            state: Mutex::new(state),
            parts,
            comm: OnceLock::new(),
            changed: Handlers::default(),
            clicked: Handlers::default(),
            value,
        }))
    }

    /// An entry of the state.
    pub(super) fn get(&self, key: &str) -> Value {
        self.state().get(key).cloned().unwrap_or_default()
    }

    /// Sets an entry of the state, here and in the page.
    pub(super) fn set(&self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        let change = Map::from_iter([(key.to_owned(), value)]);
        self.state().extend(change.clone());
        if let Some(comm) = self.0.comm.get() {
            comm.send(message("update", change));
        }
    }

    /// Calls `handler` with the new value whenever a person changes it.
    pub(super) fn on_change(&self, handler: impl FnMut(&Value) + Send + 'static) {
        self.0.changed.add(handler);
    }

    /// Calls `handler` with each click.
    pub(super) fn on_click(&self, mut handler: impl FnMut() + Send + 'static) {
        self.0.clicked.add(move |_| handler());
    }

    /// Takes it out of the page, with the parts that belong to it alone.
    pub(super) fn close(&self) {
        for (_, part) in &self.0.parts {
            if let Part::One(model) = part {
                model.close();
            }
        }
        if let Some(comm) = self.0.comm.get() {
            control::forget(comm.id());
            comm.close();
        }
    }

    /// The form that the page shows, and the text.
    pub(super) fn bundle(&self) -> Bundle {
        let view = json!({"version_major": 2, "version_minor": 0, "model_id": self.open().id()});
        Bundle::text(self.text()).with(VIEW, Content::Json(view.to_string()))
    }

    /// `IntSlider(value=3, min=0, max=10)`, or a box with such in it.
    pub(super) fn text(&self) -> String {
        let state = self.state();
        let name = state.get("_model_name").and_then(Value::as_str).unwrap_or_default();
        let shown = ["description", "value", "index", "_options_labels", "min", "max"];
        let fields = shown.iter().filter_map(|key| Some((*key, state.get(*key)?)));
        let fields = fields.filter(|(_, value)| **value != json!(""));
        let fields: Vec<String> =
            fields.map(|(key, value)| format!("{}={value}", key.trim_start_matches("_options_"))).collect();
        let inner = self.0.parts.iter().filter_map(|(_, part)| match part {
            Part::One(_) => None,
            Part::Many(models) => Some(models.iter().map(Model::text)),
        });
        let fields: Vec<String> = fields.into_iter().chain(inner.flatten()).collect();
        format!("{}({})", name.trim_end_matches("Model"), fields.join(", "))
    }

    /// The whole state, as the page wants it.
    pub(super) fn full_state(&self) -> Map<String, Value> {
        let mut state = self.state().clone();
        for (key, part) in &self.0.parts {
            let named = |model: &Model| json!(format!("IPY_MODEL_{}", model.open().id()));
            let value = match part {
                Part::One(model) => named(model),
                Part::Many(models) => models.iter().map(named).collect(),
            };
            state.insert((*key).to_owned(), value);
        }
        state
    }

    /// Its comm, which tells the page of it the first time.
    fn open(&self) -> &Comm {
        self.0.comm.get_or_init(|| {
            let data = json!({"state": self.full_state(), "buffer_paths": []});
            let comm = Comm::open(TARGET, Payload::from(data).with_metadata(json!({"version": PROTOCOL})));
            let model: Weak<Inner> = Arc::downgrade(&self.0);
            comm.on_message(move |comm, payload| {
                if let Some(model) = model.upgrade() {
                    Model(model).receive(comm, &payload);
                }
            });
            control::keep(comm.id(), self.clone());
            comm
        })
    }

    fn receive(&self, comm: &Comm, payload: &Payload) {
        // The page is the other side of a protocol: what it says that is none of it is not for us.
        let Ok(Value::Object(data)) = serde_json::from_str(&payload.data) else { return };
        match data.get("method").and_then(Value::as_str) {
            Some("update") => {
                let Some(Value::Object(change)) = data.get("state") else { return };
                let change: Map<String, Value> = {
                    let mut state = self.state();
                    let known = change.iter().filter(|(key, _)| state.contains_key(*key));
                    let known: Map<String, Value> =
                        known.map(|(key, value)| (key.clone(), value.clone())).collect();
                    state.extend(known.clone());
                    known
                };
                let value = change.get(self.0.value).cloned();
                // Other pages that show it, and this one, which waits for it.
                comm.send(message("echo_update", change));
                if let Some(value) = value {
                    self.0.changed.call(&value);
                }
            }
            Some("request_state") => comm.send(message("update", self.full_state())),
            Some("custom") if data.get("content").is_some_and(|content| content["event"] == "click") => {
                self.0.clicked.call(&Value::Null);
            }
            _ => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, Map<String, Value>> {
        // The map is whole after every line, so a panic elsewhere leaves nothing half done.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn layout() -> Vec<(&'static str, Part)> {
    vec![("layout", Part::One(Model::part(BASE, "LayoutModel", "LayoutView", json!({}))))]
}

/// The entries of a state that say which code of the page it is for: module and name of model and view.
fn names(model: (&str, &str), view: (&str, &str)) -> Map<String, Value> {
    let entries = json!({
        "_model_module": model.0, "_model_module_version": VERSION, "_model_name": model.1,
        "_view_module": view.0, "_view_module_version": VERSION, "_view_name": view.1,
        "_view_count": null,
    });
    if let Value::Object(entries) = entries { entries } else { Map::new() }
}

fn message(method: &str, state: Map<String, Value>) -> Value {
    json!({"method": method, "state": state, "buffer_paths": []})
}

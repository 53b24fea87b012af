//! The widgets that the page shows, for a page that is loaded anew.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use sconce_display::comm;
use serde_json::{Map, Value, json};

use super::model::Model;

/// The target that a page opens to ask for all states at once.
const TARGET: &str = "jupyter.widget.control";

static SHOWN: Mutex<BTreeMap<String, Model>> = Mutex::new(BTreeMap::new());
static REGISTERED: Once = Once::new();

fn shown() -> MutexGuard<'static, BTreeMap<String, Model>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a model that is shown: the page uses it whether or not a variable still holds it.
pub(super) fn keep(id: &str, model: Model) {
    REGISTERED.call_once(|| {
        comm::register_target(TARGET, |comm, _| {
            comm.on_message(|comm, message| {
                let asked = serde_json::from_str::<Value>(&message.data).unwrap_or_default();
                if asked["method"] == "request_states" {
                    comm.send(states());
                }
            });
        });
    });
    shown().insert(id.to_owned(), model);
}

/// A model is closed.
pub(super) fn forget(id: &str) {
    let model = shown().remove(id);
    drop(model);
}

fn states() -> Value {
    let models = shown().clone();
    let states: Map<String, Value> = models
        .into_iter()
        .map(|(id, model)| {
            let state = model.full_state();
            let entry = json!({
                "model_name": state["_model_name"],
                "model_module": state["_model_module"],
                "model_module_version": state["_model_module_version"],
                "state": state,
            });
            (id, entry)
        })
        .collect();
    json!({"method": "update_states", "states": states, "buffer_paths": []})
}

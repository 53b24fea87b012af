//! Widgets as the page sees them: what is sent, and what comes back. One test: a process has one sink.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use sconce::rich::Rich;
use sconce::widgets::{
    Button, Checkbox, Dropdown, FloatSlider, HBox, IntSlider, Label, Progress, Text, VBox,
};
use sconce_display::comm::{self, Action, Packet};
use sconce_display::wire::Frame;
use sconce_display::{Content, Sink};
use serde_json::{Value, json};

struct Page(Arc<Mutex<Vec<Packet>>>);

impl Sink for Page {
    fn send(&self, frame: Frame) {
        let Frame::Comm(packet) = frame else { panic!("{frame:?}") };
        self.0.lock().unwrap().push(packet);
    }
}

fn data(packet: &Packet) -> Value {
    serde_json::from_str(&packet.payload.data).unwrap()
}

/// The id of the model that a widget shows.
fn shown(widget: &dyn Rich) -> String {
    let bundle = widget.rich();
    let view = bundle.forms.iter().find(|(mime, _)| mime == "application/vnd.jupyter.widget-view+json");
    let Some((_, Content::Json(view))) = view else { panic!("{bundle:?}") };
    let view: Value = serde_json::from_str(view).unwrap();
    assert_eq!((&view["version_major"], &view["version_minor"]), (&json!(2), &json!(0)));
    view["model_id"].as_str().unwrap().to_owned()
}

/// The page says something.
fn say(comm: &str, data: &Value) {
    comm::deliver(Packet { comm: comm.into(), action: Action::Message, payload: data.into() });
}

fn change(comm: &str, state: &Value) {
    say(comm, &json!({"method": "update", "state": state, "buffer_paths": []}));
}

#[test]
fn widgets_talk_to_the_page() {
    // In a plain program they are values with a text.
    let alone = IntSlider::new(-5..=5).unwrap();
    alone.set_value(3).unwrap();
    assert_eq!((alone.value(), format!("{alone:?}").as_str()), (3, "IntSlider(value=3, min=-5, max=5)"));

    let sent = Arc::new(Mutex::new(Vec::new()));
    assert!(sconce_display::install(Box::new(Page(Arc::clone(&sent)))).is_ok());
    let taken = || std::mem::take(&mut *sent.lock().unwrap());

    // Nothing is sent before it is shown; then its parts come first.
    let slider = IntSlider::new(1..=10).unwrap().with_value(3).unwrap().with_description("epochs");
    slider.set_value(4).unwrap();
    assert_eq!(taken(), []);
    let id = shown(&slider);
    let opened = taken();
    let names: Vec<Value> =
        opened.iter().map(|packet| data(packet)["state"]["_model_name"].clone()).collect();
    assert_eq!(names, ["LayoutModel", "SliderStyleModel", "IntSliderModel"]);
    for packet in &opened {
        assert_eq!(packet.action, Action::Open { target: "jupyter.widget".into() });
        assert_eq!(packet.payload.metadata, r#"{"version":"2.1.0"}"#);
    }
    assert_eq!(opened[2].comm, id);
    let state = &data(&opened[2])["state"];
    for (key, value) in [
        ("_model_module", json!("@jupyter-widgets/controls")),
        ("_model_module_version", json!("2.0.0")),
        ("_view_name", json!("IntSliderView")),
        ("layout", json!(format!("IPY_MODEL_{}", opened[0].comm))),
        ("style", json!(format!("IPY_MODEL_{}", opened[1].comm))),
        ("description", json!("epochs")),
        ("value", json!(4)),
        ("min", json!(1)),
        ("max", json!(10)),
    ] {
        assert_eq!(state[key], value, "{key}");
    }
    // Shown again it is the same.
    assert_eq!(shown(&slider), id);
    assert_eq!(taken(), []);

    // A person moves it: the value is here, the handler is called, the page hears that it came.
    let seen = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&seen);
    slider.on_change(move |value| into.lock().unwrap().push(value));
    change(&id, &json!({"value": 7, "unknown": 1}));
    assert_eq!((slider.value(), seen.lock().unwrap().clone()), (7, vec![7]));
    let echo = json!({"method": "echo_update", "state": {"value": 7}, "buffer_paths": []});
    assert_eq!(taken().iter().map(data).collect::<Vec<_>>(), [echo]);
    // The code moves it.
    slider.clone().set_value(2).unwrap();
    let update = json!({"method": "update", "state": {"value": 2}, "buffer_paths": []});
    assert_eq!(taken().iter().map(data).collect::<Vec<_>>(), [update]);
    assert_eq!(*seen.lock().unwrap(), [7], "only what a person does is told");
    let error = slider.set_value(11).unwrap_err().to_string();
    assert!(error.contains("expected a value in 1..=10, got 11"), "{error}");
    assert_eq!((slider.value(), taken()), (2, vec![]));
    // Words that are none of the protocol change nothing.
    for words in [json!(7), json!({}), json!({"method": "update"}), json!({"method": "dance"})] {
        say(&id, &words);
    }
    assert_eq!((slider.value(), taken()), (2, vec![]));

    // A page that is loaded anew asks for one state, or for all.
    say(&id, &json!({"method": "request_state"}));
    let answer = data(&taken()[0]);
    assert_eq!((&answer["method"], &answer["state"]["value"]), (&json!("update"), &json!(2)));
    let control = Action::Open { target: "jupyter.widget.control".into() };
    comm::deliver(Packet { comm: "control".into(), action: control, payload: "{}".into() });
    say("control", &json!({"method": "request_states"}));
    let answer = data(&taken()[0]);
    assert_eq!(answer["method"], "update_states");
    assert_eq!(answer["states"].as_object().unwrap().len(), 3);
    let entry = &answer["states"][&id];
    assert_eq!((&entry["model_name"], &entry["state"]["value"]), (&json!("IntSliderModel"), &json!(2)));

    slider.close();
    assert!(taken().iter().all(|packet| packet.action == Action::Close));
    say("control", &json!({"method": "request_states"}));
    assert_eq!(data(&taken()[0])["states"], json!({}));

    // The others.
    let rate = FloatSlider::new(0.0..=1.0).unwrap().with_step(0.25).unwrap();
    change(&shown(&rate), &json!({"value": 0.5}));
    assert!((rate.value() - 0.5).abs() < f64::EPSILON);
    let text = Text::new("a");
    change(&shown(&text), &json!({"value": "b"}));
    let ticked = Checkbox::new("augment");
    change(&shown(&ticked), &json!({"value": true}));
    let model = Dropdown::new(["lenet", "resnet"]).unwrap();
    let chosen = Arc::new(Mutex::new(String::new()));
    let into = Arc::clone(&chosen);
    model.on_change(move |option| *into.lock().unwrap() = option);
    change(&shown(&model), &json!({"index": 1}));
    assert_eq!((text.value().as_str(), ticked.value(), model.value().as_str()), ("b", true, "resnet"));
    assert_eq!(*chosen.lock().unwrap(), "resnet");
    // An index that is none does not bring it down.
    change(&shown(&model), &json!({"index": 99}));
    assert_eq!(model.value(), "resnet");
    model.set_value("lenet").unwrap();
    assert_eq!(model.index(), 0);
    let error = model.set_value("vgg").unwrap_err().to_string();
    assert!(error.contains(r#"expected one of ["lenet", "resnet"], got "vgg""#), "{error}");
    let button = Button::new("start");
    let clicks = Arc::new(Mutex::new(0));
    let into = Arc::clone(&clicks);
    button.on_click(move || *into.lock().unwrap() += 1);
    let id = shown(&button);
    for event in ["click", "hover", "click"] {
        say(&id, &json!({"method": "custom", "content": {"event": event}}));
    }
    assert_eq!(*clicks.lock().unwrap(), 2);
    let progress = Progress::new(10.0).unwrap();
    progress.set_value(10.0).unwrap();
    assert!(progress.set_value(11.0).is_err());

    // A box names its children, which are opened with it.
    taken();
    let label = Label::new("label");
    let inner = HBox::new(&[&label, &progress]);
    let outer = VBox::new(&[&rate, &inner]);
    let text = "VBox(FloatSlider(value=0.5, min=0.0, max=1.0), HBox(Label(value=\"label\"), FloatProgress(value=10.0, min=0.0, max=10.0)))";
    assert_eq!(outer.rich().plain(), Some(text));
    taken();
    let outer = VBox::new(&[&rate, &inner]);
    let id = shown(&outer);
    let opened = taken();
    let last = opened.last().unwrap();
    assert_eq!(last.comm, id);
    let children = [shown(&rate), shown(&inner)].map(|id| json!(format!("IPY_MODEL_{id}")));
    assert_eq!(data(last)["state"]["children"], json!(children));
    assert_eq!(taken(), []);

    // What cannot be is refused.
    assert!(IntSlider::new(std::ops::RangeInclusive::new(5, 1)).is_err());
    assert!(FloatSlider::new(0.0..=f64::INFINITY).is_err());
    assert!(FloatSlider::new(0.0..=1.0).unwrap().with_step(0.0).is_err());
    assert!(Progress::new(0.0).is_err());
    assert!(Dropdown::new(Vec::<String>::new()).is_err());
}

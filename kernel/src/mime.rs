//! A shown value in Jupyter's JSON form: what `display_data` carries and what a notebook file stores.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sconce_display::{Bundle, Content};
use serde_json::{Map, Value};

/// The `data` and `metadata` of a display or a result, both by MIME type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MimeBundle {
    /// Text as a string, bytes as base64, JSON documents as themselves; in the bundle's order.
    pub data: Map<String, Value>,
    /// A JSON object for each MIME type that has one.
    pub metadata: Map<String, Value>,
    /// What could not be taken over, one line each, for the person who showed it: JSON that does not parse.
    pub problems: Vec<String>,
}

/// Converts a bundle. A form whose JSON does not parse stays as its text, and `problems` names it.
#[must_use]
pub fn from_bundle(bundle: &Bundle) -> MimeBundle {
    let mut converted = MimeBundle::default();
    for (mime, content) in &bundle.forms {
        let value = match content {
            Content::Text(text) => Value::String(text.clone()),
            Content::Bytes(bytes) => Value::String(STANDARD.encode(bytes)),
            Content::Json(json) => serde_json::from_str(json).unwrap_or_else(|error| {
                converted.problems.push(format!("the {mime} form is not valid JSON: {error}"));
                Value::String(json.clone())
            }),
        };
        converted.data.insert(mime.clone(), value);
    }
    for (mime, json) in &bundle.metadata {
        match serde_json::from_str(json) {
            Ok(Value::Object(fields)) => match converted.metadata.get_mut(mime) {
                Some(Value::Object(known)) => known.extend(fields),
                _ => {
                    converted.metadata.insert(mime.clone(), Value::Object(fields));
                }
            },
            Ok(other) => {
                let problem = format!("the metadata of {mime} must be a JSON object, got {other}");
                converted.problems.push(problem);
            }
            Err(error) => {
                converted.problems.push(format!("the metadata of {mime} is not valid JSON: {error}"));
            }
        }
    }
    converted
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_of_form() {
        let bundle = Bundle::text("two\nlines")
            .html("<b>x</b>")
            .png(vec![0x89, b'P', b'N', b'G', 0xff])
            .with("application/json", Content::Json(r#"{"b": [1, 2.5], "a": null}"#.into()));
        let converted = from_bundle(&bundle);
        assert_eq!(
            Value::Object(converted.data.clone()),
            json!({
                "text/plain": "two\nlines",
                "text/html": "<b>x</b>",
                "image/png": "iVBOR/8=",
                "application/json": {"b": [1, 2.5], "a": null},
            })
        );
        let order: Vec<_> = converted.data.keys().map(String::as_str).collect();
        assert_eq!(order, ["text/plain", "text/html", "image/png", "application/json"]);
        assert_eq!(converted.metadata, Map::new());
        assert_eq!(converted.problems, Vec::<String>::new());
    }

    #[test]
    fn metadata_of_one_type_is_merged() {
        let bundle = Bundle::text("x")
            .meta("image/png", r#"{"width": 320}"#)
            .meta("image/png", r#"{"height": 200, "width": 640}"#);
        let converted = from_bundle(&bundle);
        let expected = json!({"image/png": {"width": 640, "height": 200}});
        assert_eq!(Value::Object(converted.metadata), expected);
    }

    #[test]
    fn bad_json_is_named_and_kept_as_text() {
        let bundle = Bundle::default()
            .with("application/geo+json", Content::Json("{".into()))
            .meta("image/png", "7")
            .meta("text/html", "[");
        let converted = from_bundle(&bundle);
        assert_eq!(Value::Object(converted.data), json!({"application/geo+json": "{"}));
        assert_eq!(converted.metadata, Map::new());
        assert_eq!(converted.problems.len(), 3);
        assert!(converted.problems[0].contains("application/geo+json"));
        assert!(converted.problems[1].contains("must be a JSON object, got 7"));
        assert!(converted.problems[2].contains("text/html"));
    }
}

use serde_json::{Map, Value, json};

/// A notebook: its cells, and everything else in the file as it stood there.
#[derive(Debug, Clone, PartialEq)]
pub struct Notebook {
    /// The file's top level without `cells`.
    pub(super) fields: Map<String, Value>,
    pub(super) cells: Vec<Cell>,
}

/// One cell, with all fields of the file, known or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    pub(super) kind: CellKind,
    pub(super) fields: Map<String, Value>,
}

/// What a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellKind {
    /// Source to execute.
    Code,
    /// Markdown text.
    Markdown,
    /// Text for a converter.
    Raw,
}

/// What a kernel says about its language; a notebook's metadata holds it for editors and converters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanguageInfo {
    /// The compiler's version, e.g. `1.95.0`.
    pub version: String,
}

impl LanguageInfo {
    fn to_json(&self) -> Value {
        json!({
            "codemirror_mode": "rust",
            "file_extension": ".rs",
            "mimetype": "text/rust",
            "name": "rust",
            "pygments_lexer": "rust",
            "version": self.version,
        })
    }
}

impl Notebook {
    /// The cells, in order.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The notebook's metadata; empty if the file has none.
    #[must_use]
    pub fn metadata(&self) -> Option<&Map<String, Value>> {
        self.fields.get("metadata").and_then(Value::as_object)
    }

    /// Says who executed it: `language_info` is replaced, `kernelspec` is added where none stands.
    pub fn set_language(&mut self, language: &LanguageInfo) {
        let metadata = self.fields.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("language_info".to_owned(), language.to_json());
            metadata.entry("kernelspec").or_insert_with(
                || json!({"display_name": "Rust (Sconce)", "language": "rust", "name": "sconce"}),
            );
        }
    }
}

impl Cell {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> CellKind {
        self.kind
    }

    /// Its text.
    #[must_use]
    pub fn source(&self) -> &str {
        self.fields.get("source").and_then(Value::as_str).unwrap_or_default()
    }

    /// Its metadata, if it has any.
    #[must_use]
    pub fn metadata(&self) -> Option<&Map<String, Value>> {
        self.fields.get("metadata").and_then(Value::as_object)
    }

    /// Its id, from nbformat 4.5 on.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.fields.get("id").and_then(Value::as_str)
    }

    /// What it has shown, as nbformat has it. Empty for cells that are not code.
    #[must_use]
    pub fn outputs(&self) -> &[Value] {
        self.fields.get("outputs").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The `n` of `In [n]`, if it was executed.
    #[must_use]
    pub fn execution_count(&self) -> Option<u64> {
        self.fields.get("execution_count").and_then(Value::as_u64)
    }

    /// Replaces what a code cell has shown.
    pub(super) fn set_outputs(&mut self, execution_count: Option<u64>, outputs: Vec<Value>) {
        self.fields.insert("execution_count".to_owned(), json!(execution_count));
        self.fields.insert("outputs".to_owned(), Value::Array(outputs));
    }
}

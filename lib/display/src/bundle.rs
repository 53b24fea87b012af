use serde::{Deserialize, Serialize};

/// One form of a shown value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Text of any kind: plain, HTML, SVG, Markdown.
    Text(String),
    /// A JSON document, as its text.
    Json(String),
    /// Bytes, e.g. an encoded PNG.
    Bytes(Vec<u8>),
}

/// A value in the forms a client may choose from, by MIME type, e.g. `text/plain` beside `image/png`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// The forms, in the order they were added; a MIME type stands at most once.
    pub forms: Vec<(String, Content)>,
    /// Metadata by MIME type: a JSON object as its text, e.g. `{"width": 320}`.
    pub metadata: Vec<(String, String)>,
}

impl Bundle {
    /// A bundle that shows `text` as it stands. Every bundle starts so: terminals, diffs and screen
    /// readers get this form.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Bundle {
        Bundle::default().with("text/plain", Content::Text(text.into()))
    }

    /// Adds or replaces the form of MIME type `mime`.
    #[must_use]
    pub fn with(mut self, mime: impl Into<String>, content: Content) -> Bundle {
        let mime = mime.into();
        match self.forms.iter_mut().find(|(known, _)| *known == mime) {
            Some(form) => form.1 = content,
            None => self.forms.push((mime, content)),
        }
        self
    }

    /// Adds an HTML fragment.
    #[must_use]
    pub fn html(self, html: impl Into<String>) -> Bundle {
        self.with("text/html", Content::Text(html.into()))
    }

    /// Adds an SVG document.
    #[must_use]
    pub fn svg(self, svg: impl Into<String>) -> Bundle {
        self.with("image/svg+xml", Content::Text(svg.into()))
    }

    /// Adds an encoded PNG.
    #[must_use]
    pub fn png(self, png: Vec<u8>) -> Bundle {
        self.with("image/png", Content::Bytes(png))
    }

    /// Adds Markdown.
    #[must_use]
    pub fn markdown(self, markdown: impl Into<String>) -> Bundle {
        self.with("text/markdown", Content::Text(markdown.into()))
    }

    /// Adds metadata for the form of MIME type `mime`: a JSON object as its text.
    #[must_use]
    pub fn meta(mut self, mime: impl Into<String>, json: impl Into<String>) -> Bundle {
        self.metadata.push((mime.into(), json.into()));
        self
    }

    /// The plain text form, if there is one.
    #[must_use]
    pub fn plain(&self) -> Option<&str> {
        self.forms.iter().find_map(|(mime, content)| match content {
            Content::Text(text) if mime == "text/plain" => Some(text.as_str()),
            _ => None,
        })
    }
}

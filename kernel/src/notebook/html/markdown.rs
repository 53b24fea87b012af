//! Markdown cells.

use std::collections::HashSet;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd, html};
use serde_json::Value;

use super::files::Files;
use super::{code, escaped};
use crate::notebook::document::Cell;

/// The headings of a page so far.
#[derive(Debug, Default)]
pub(super) struct Headings {
    title: Option<String>,
    ids: HashSet<String>,
}

impl Headings {
    /// The text of the first heading of the first level.
    pub(super) fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// An id for a heading that no other has: its words, and a number if it must be.
    fn id(&mut self, text: &str) -> String {
        let words = text.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty());
        let words: Vec<String> = words.map(str::to_lowercase).collect();
        let base = if words.is_empty() { "section".to_owned() } else { words.join("-") };
        let numbered = (2..).map(|number| format!("{base}-{number}"));
        let free = std::iter::once(base.clone()).chain(numbered).find(|id| !self.ids.contains(id));
        let id = free.unwrap_or(base);
        self.ids.insert(id.clone());
        id
    }
}

/// The HTML of a Markdown cell.
pub(super) fn render(cell: &Cell, headings: &mut Headings, files: &mut Files) -> String {
    text(cell.source(), attachments(cell), headings, files)
}

/// The HTML of Markdown that a cell shows.
pub(super) fn shown(markdown: &str, files: &mut Files) -> String {
    // Its headings are not those of the page.
    text(markdown, None, &mut Headings::default(), files)
}

type Attachments<'a> = Option<&'a serde_json::Map<String, Value>>;

fn attachments(cell: &Cell) -> Attachments<'_> {
    cell.fields.get("attachments").and_then(Value::as_object)
}

fn text(markdown: &str, attachments: Attachments<'_>, headings: &mut Headings, files: &mut Files) -> String {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM
        | Options::ENABLE_MATH;
    let mut events: Vec<Event<'_>> = Parser::new_ext(markdown, options).collect();
    name_headings(&mut events, headings);
    let mut html = String::new();
    html::push_html(&mut html, rendered(events, attachments, files).into_iter());
    html
}

/// Gives each heading an id to link to.
fn name_headings(events: &mut [Event<'_>], headings: &mut Headings) {
    for index in 0..events.len() {
        let level = match &events[index] {
            Event::Start(Tag::Heading { level, .. }) => *level,
            _ => continue,
        };
        let inside =
            events[index + 1..].iter().take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
        let text: String = inside
            .filter_map(|event| match event {
                Event::Text(text) | Event::Code(text) | Event::InlineMath(text) => Some(text.as_ref()),
                Event::SoftBreak | Event::HardBreak => Some(" "),
                _ => None,
            })
            .collect();
        let id = headings.id(&text);
        if level == pulldown_cmark::HeadingLevel::H1 && headings.title.is_none() && !text.trim().is_empty() {
            headings.title = Some(text);
        }
        if let Event::Start(Tag::Heading { id: slot, .. }) = &mut events[index] {
            *slot = Some(CowStr::from(id));
        }
    }
}

/// The events with Rust in colours, pictures in place and formulas as their source.
fn rendered<'a>(events: Vec<Event<'a>>, attachments: Attachments<'_>, files: &mut Files) -> Vec<Event<'a>> {
    let mut rendered = Vec::with_capacity(events.len());
    // The text of a block of Rust.
    let mut rust: Option<String> = None;
    for event in events {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) if is_rust(&language) => {
                rust = Some(String::new());
            }
            Event::Text(text) if rust.is_some() => {
                if let Some(source) = &mut rust {
                    source.push_str(&text);
                }
            }
            Event::End(TagEnd::CodeBlock) if rust.is_some() => {
                let source = code::highlighted(&rust.take().unwrap_or_default());
                rendered
                    .push(Event::Html(format!("<pre tabindex=\"0\"><code>{source}</code></pre>\n").into()));
            }
            Event::InlineMath(formula) => {
                let formula = format!("<span class=\"nb-math\">${}$</span>", escaped(&formula));
                rendered.push(Event::InlineHtml(formula.into()));
            }
            Event::DisplayMath(formula) => {
                let formula = format!("<span class=\"nb-math nb-display\">$${}$$</span>", escaped(&formula));
                rendered.push(Event::InlineHtml(formula.into()));
            }
            Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
                let dest_url = CowStr::from(picture(&dest_url, attachments, files));
                rendered.push(Event::Start(Tag::Image { link_type, dest_url, title, id }));
            }
            other => rendered.push(other),
        }
    }
    rendered
}

fn is_rust(language: &str) -> bool {
    matches!(language.split([' ', ',', '{']).next(), Some("rust" | "rs"))
}

fn picture(address: &str, attachments: Attachments<'_>, files: &mut Files) -> String {
    let Some(name) = address.strip_prefix("attachment:") else { return files.picture(address) };
    let attached = attachments.and_then(|all| all.get(name)).and_then(Value::as_object);
    let content =
        attached.and_then(|forms| forms.iter().find_map(|(mime, content)| Some((mime, content.as_str()?))));
    match content {
        Some((mime, base64)) => {
            let dense: String = base64.split_ascii_whitespace().collect();
            format!("data:{mime};base64,{dense}")
        }
        None => {
            files.problem(format!(
                "the picture {address} is not in the page: the cell has no such attachment"
            ));
            address.to_owned()
        }
    }
}

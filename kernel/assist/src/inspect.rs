//! Inspection, by rust-analyzer.

use ra_ap_ide::{
    Analysis, FilePosition, FileRange, HoverConfig, HoverDocFormat, RaFixtureConfig, SubstTyLen, TextRange,
};

use crate::wire::{Inspection, Question};

/// The most fields and variants that a declaration is shown with.
const MEMBERS: usize = 30;

/// What the thing at `position` is. Where no name stands, it is the function whose arguments stand there.
pub fn inspect(analysis: &Analysis, position: FilePosition, question: &Question) -> Option<Inspection> {
    if touches_name(question) { named(analysis, position) } else { callee(analysis, position) }
}

fn touches_name(question: &Question) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let (before, after) = question.code.split_at(question.cursor);
    before.ends_with(is_name) || after.starts_with(is_name)
}

fn named(analysis: &Analysis, position: FilePosition) -> Option<Inspection> {
    let range = FileRange { file_id: position.file_id, range: TextRange::empty(position.offset) };
    let hover = analysis.hover(&config(), range).ok()??;
    from_markdown(hover.info.markup.as_str())
}

fn callee(analysis: &Analysis, position: FilePosition) -> Option<Inspection> {
    let help = analysis.signature_help(position).ok()??;
    let docs = help.doc.map(|docs| docs.as_str().trim().to_owned()).unwrap_or_default();
    Some(Inspection { signature: help.signature, docs })
}

fn config() -> HoverConfig<'static> {
    HoverConfig {
        links_in_hover: false,
        memory_layout: None,
        documentation: true,
        keywords: true,
        format: HoverDocFormat::Markdown,
        max_trait_assoc_items_count: Some(MEMBERS),
        max_fields_count: Some(MEMBERS),
        max_enum_variants_count: Some(MEMBERS),
        max_subst_ty_len: SubstTyLen::Unlimited,
        show_drop_glue: false,
        ra_fixture: RaFixtureConfig::default(),
    }
}

/// Takes apart what a hover shows: blocks of code, the last of which is the declaration, and the
/// documentation after them.
fn from_markdown(text: &str) -> Option<Inspection> {
    let mut rest = text.trim_start();
    let mut signature = None;
    while let Some(block) = rest.strip_prefix("```rust\n") {
        let (code, after) = block.split_once("\n```")?;
        signature = Some(code);
        rest = after.trim_start();
    }
    let docs = rest.strip_prefix("---").unwrap_or(rest).trim();
    Some(Inspection { signature: signature?.to_owned(), docs: docs.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hover_is_taken_apart() {
        let parts = |text| from_markdown(text).map(|found| (found.signature, found.docs));
        let whole = "\n```rust\ncandle_core::tensor\n```\n\n```rust\npub fn a(&self)\n```\n\n---\n\nDocs.\n\n```rust\nx\n```";
        assert_eq!(parts(whole), Some(("pub fn a(&self)".into(), "Docs.\n\n```rust\nx\n```".into())));
        assert_eq!(parts("```rust\nlet x: i32\n```"), Some(("let x: i32".into(), String::new())));
        assert_eq!(parts("no code"), None);
    }
}

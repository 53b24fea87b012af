//! Completion, by rust-analyzer.

use ra_ap_ide::{
    Analysis, CompletionConfig, CompletionFieldsToResolve, CompletionItem, CompletionItemKind, FilePosition,
    RaFixtureConfig, SymbolKind,
};
use ra_ap_ide_db::imports::insert_use::{ImportGranularity, InsertUseConfig, PrefixKind};

use crate::notebook::FUNCTION;
use crate::wire::{Completion, Completions, Question};

/// What could be written at `position`; the cell begins at `before` of its file.
pub fn complete(
    analysis: &Analysis,
    position: FilePosition,
    before: usize,
    question: &Question,
) -> Option<Completions> {
    let mut found = analysis.completions(&config(), position, None).ok()??;
    found.retain(|item| item.import_to_add.is_empty() && item.lookup() != FUNCTION);
    found.sort_by_key(|item| (std::cmp::Reverse(item.relevance.score()), item.lookup().to_owned()));
    let range = found.first()?.source_range;
    let (start, end) = (usize::from(range.start()), usize::from(range.end()));
    let range = start.checked_sub(before)?..end.checked_sub(before)?;
    let mut items: Vec<Completion> = found.iter().filter_map(converted).collect();
    items.dedup_by(|next, last| next.text == last.text);
    Some(Completions::matching(items, &question.code, range, question.cursor))
}

/// Names only: no snippets, no imports written elsewhere.
fn config() -> CompletionConfig<'static> {
    CompletionConfig {
        enable_postfix_completions: false,
        enable_imports_on_the_fly: false,
        enable_self_on_the_fly: false,
        enable_auto_iter: false,
        enable_auto_await: false,
        enable_private_editable: false,
        enable_term_search: false,
        term_search_fuel: 0,
        full_function_signatures: false,
        callable: None,
        add_colons_to_module: false,
        add_semicolon_to_unit: false,
        snippet_cap: None,
        insert_use: InsertUseConfig {
            granularity: ImportGranularity::Item,
            enforce_granularity: false,
            prefix_kind: PrefixKind::Plain,
            group: false,
            skip_glob_imports: false,
        },
        prefer_no_std: false,
        prefer_prelude: true,
        prefer_absolute: false,
        snippets: Vec::new(),
        limit: None,
        fields_to_resolve: CompletionFieldsToResolve::empty(),
        exclude_flyimport: Vec::new(),
        exclude_traits: &[],
        ra_fixture: RaFixtureConfig::default(),
    }
}

fn converted(item: &CompletionItem) -> Option<Completion> {
    let mut edits = item.text_edit.iter();
    let (Some(edit), None) = (edits.next(), edits.next()) else { return None };
    if edit.delete != item.source_range {
        return None;
    }
    let text = edit.insert.trim_end().to_owned();
    Some(Completion {
        text,
        kind: kind(item.kind).to_owned(),
        signature: item.detail.clone().unwrap_or_default(),
    })
}

fn kind(kind: CompletionItemKind) -> &'static str {
    match kind {
        CompletionItemKind::Binding => "variable",
        CompletionItemKind::BuiltinType | CompletionItemKind::InferredType => "type",
        CompletionItemKind::Keyword => "keyword",
        CompletionItemKind::Snippet => "snippet",
        CompletionItemKind::UnresolvedReference => "name",
        CompletionItemKind::Expression => "expression",
        CompletionItemKind::SymbolKind(kind) => symbol(kind),
    }
}

fn symbol(kind: SymbolKind) -> &'static str {
    match kind {
        SymbolKind::Local | SymbolKind::ValueParam | SymbolKind::SelfParam => "variable",
        SymbolKind::Function => "function",
        SymbolKind::Method => "method",
        SymbolKind::Field => "field",
        SymbolKind::Struct | SymbolKind::Union => "struct",
        SymbolKind::Enum => "enum",
        SymbolKind::Variant => "variant",
        SymbolKind::Trait => "trait",
        SymbolKind::Const | SymbolKind::ConstParam => "constant",
        SymbolKind::Static => "static",
        SymbolKind::Macro | SymbolKind::ProcMacro | SymbolKind::Derive | SymbolKind::DeriveHelper => "macro",
        SymbolKind::Module | SymbolKind::CrateRoot | SymbolKind::ToolModule => "module",
        SymbolKind::TypeAlias | SymbolKind::TypeParam | SymbolKind::SelfType => "type",
        SymbolKind::Attribute | SymbolKind::BuiltinAttr => "attribute",
        SymbolKind::Label | SymbolKind::LifetimeParam => "lifetime",
        SymbolKind::Impl | SymbolKind::InlineAsmRegOrRegClass => "name",
    }
}

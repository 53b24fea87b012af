//! Definitions of a session: functions, types, traits, impls, macros, imports, statics.

use std::ops::Range;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::{ImplItem, Item, TraitItem, UseTree};

use super::names::{self, Names};
use super::placed::Edit;
use super::statics::{Static, statics_in, thread_local_call};

/// One definition.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The cell that made it.
    pub cell: u32,
    /// Its text, for later cells.
    pub text: Text,
    /// What it is called, and where such a name lives.
    pub names: Vec<(Space, String)>,
    /// Names whose mention wants it too: the methods of a trait.
    pub aliases: Vec<String>,
    /// What it mentions.
    pub mentions: Names,
    /// Its tokens without attributes, to see whether a redefinition changes anything.
    pub tokens: String,
    /// What it is.
    pub kind: Kind,
    /// The statics in it, those in function bodies included.
    pub statics: Vec<Static>,
    /// Changes to its text: its loops look whether the user wants them to stop.
    pub checks: Vec<Edit>,
    /// Parts that a later impl block has replaced.
    pub replaced: Vec<Range<usize>>,
    /// It loops, so it is worth optimising.
    pub works: bool,
}

impl Definition {
    /// Whether it defines this name.
    pub fn is(&self, name: &str) -> bool {
        self.names.iter().any(|(_, known)| known == name)
    }

    /// Whether it is the macro of this name, and one that makes definitions.
    pub fn is_macro_that_makes_items(&self, name: &str) -> bool {
        self.kind == Kind::Macro { makes_items: true } && self.is(name)
    }

    /// Whether it can decide how a type lies in memory: a type, or what a type is written with.
    pub fn shapes(&self) -> bool {
        match self.kind {
            Kind::Type | Kind::Use | Kind::Macro { .. } | Kind::Call => true,
            Kind::Impl { .. } => false,
            Kind::Other => self.tokens.split(' ').take(6).any(|word| word == "const"),
        }
    }

    /// Gives its statics other symbols, so that they begin anew.
    pub fn renew_statics(&mut self, cell: u32) {
        for found in &mut self.statics {
            for symbol in &mut found.symbols {
                let new = format!("{symbol}_{cell}");
                for text in [&mut found.before, &mut found.after, &mut found.declaration] {
                    *text = text.replace(&format!("\"{symbol}\""), &format!("\"{new}\""));
                }
                *symbol = new;
            }
        }
    }
}

/// Where a definition's text is.
#[derive(Debug, Clone)]
pub enum Text {
    /// In its cell.
    Source(Range<usize>),
    /// Written by us: one import of a larger `use`.
    Written(String),
}

/// Where names live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// Types, traits and modules.
    Type,
    /// Functions, constants and statics.
    Value,
    /// Macros.
    Macro,
    /// An import may be any of them.
    Any,
}

/// What a definition is, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `macro_rules!`; whether it makes definitions.
    Macro {
        /// It does.
        makes_items: bool,
    },
    /// A struct, enum, union, trait, alias or module.
    Type,
    /// An impl block.
    Impl {
        /// What is implemented for what.
        header: String,
        /// The names in the header.
        about: Names,
        /// Inherent functions and constants, and where they stand; none in a trait impl.
        parts: Vec<(String, Range<usize>)>,
    },
    /// An import.
    Use,
    /// A call of a macro that makes definitions.
    Call,
    /// Anything else.
    Other,
}

/// The definitions in one item; a `use` makes one for each name.
pub fn definitions(cell: u32, item: &Item, text: &str) -> Vec<Definition> {
    let range = item.span().byte_range();
    if let Item::Use(import) = item {
        let mut leaves = Vec::new();
        let root = if import.leading_colon.is_some() { "::" } else { "" };
        flatten(&import.tree, root, &mut leaves);
        return leaves.into_iter().map(|(name, text)| import_of(cell, name, text)).collect();
    }
    let (kind, names, aliases) = describe(item, text);
    vec![definition(cell, text, range, kind, names, aliases, statics_in(cell, item, text))]
}

/// The definition that a macro call stands for. Its names are not known; those among its arguments are
/// the best guess.
pub fn from_macro_call(cell: u32, call: &syn::StmtMacro, text: &str, range: Range<usize>) -> Vec<Definition> {
    let path = tokens_of(&call.mac.path);
    let mut statics = Vec::new();
    let mut named = Vec::new();
    if path.ends_with("thread_local")
        && let Some((keys, found)) = thread_local_call(cell, &call.mac, text, range.clone())
    {
        named = keys.into_iter().map(|name| (Space::Value, name)).collect();
        statics.push(found);
    }
    let mut arguments = Names::new();
    names::collect_tokens(call.mac.tokens.clone(), &mut arguments);
    let aliases = arguments.into_iter().collect();
    vec![definition(cell, text, range, Kind::Call, named, aliases, statics)]
}

fn definition(
    cell: u32,
    text: &str,
    range: Range<usize>,
    kind: Kind,
    names: Vec<(Space, String)>,
    aliases: Vec<String>,
    statics: Vec<Static>,
) -> Definition {
    let own = &text[range.clone()];
    let mut mentions = Names::new();
    names::collect(own, &mut mentions);
    Definition {
        cell,
        works: ["for", "while", "loop", "iter", "into_iter"].iter().any(|word| mentions.contains(*word)),
        mentions,
        tokens: own
            .parse::<TokenStream>()
            .map_or_else(|_| own.to_owned(), |tokens| without_attributes(tokens).to_string()),
        text: Text::Source(range),
        names,
        aliases,
        kind,
        statics,
        checks: Vec::new(),
        replaced: Vec::new(),
    }
}

/// Leaves out what stands before a definition and changes nothing of its form in memory: documentation,
/// `#[derive]` and the like, but not `#[repr]`.
fn without_attributes(tokens: TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut rest = tokens.as_slice();
    let mut kept = Vec::new();
    while let [hash @ TokenTree::Punct(punct), attribute @ TokenTree::Group(group), after @ ..] = rest
        && punct.as_char() == '#'
    {
        if matches!(group.stream().into_iter().next(), Some(TokenTree::Ident(name)) if name == "repr") {
            kept.extend([hash.clone(), attribute.clone()]);
        }
        rest = after;
    }
    kept.into_iter().chain(rest.iter().cloned()).collect()
}

fn describe(item: &Item, text: &str) -> (Kind, Vec<(Space, String)>, Vec<String>) {
    let one = |space: Space, name: &syn::Ident| vec![(space, name.to_string())];
    match item {
        Item::Fn(item) => (Kind::Other, one(Space::Value, &item.sig.ident), Vec::new()),
        Item::Const(item) if item.ident != "_" => (Kind::Other, one(Space::Value, &item.ident), Vec::new()),
        Item::Static(item) => (Kind::Other, one(Space::Value, &item.ident), Vec::new()),
        Item::Struct(item) => {
            let mut names = one(Space::Type, &item.ident);
            if !matches!(item.fields, syn::Fields::Named(_)) {
                names.push((Space::Value, item.ident.to_string()));
            }
            (Kind::Type, names, Vec::new())
        }
        Item::Enum(item) => (Kind::Type, one(Space::Type, &item.ident), Vec::new()),
        Item::Union(item) => (Kind::Type, one(Space::Type, &item.ident), Vec::new()),
        Item::Type(item) => (Kind::Type, one(Space::Type, &item.ident), Vec::new()),
        Item::Mod(item) => (Kind::Type, one(Space::Type, &item.ident), Vec::new()),
        Item::TraitAlias(item) => (Kind::Type, one(Space::Type, &item.ident), Vec::new()),
        Item::ExternCrate(item) => {
            let name = item.rename.as_ref().map_or(&item.ident, |(_, name)| name);
            (Kind::Use, one(Space::Type, name), Vec::new())
        }
        Item::Trait(item) => {
            let methods = item.items.iter().filter_map(|item| match item {
                TraitItem::Fn(method) => Some(method.sig.ident.to_string()),
                TraitItem::Const(constant) => Some(constant.ident.to_string()),
                _ => None,
            });
            (Kind::Type, one(Space::Type, &item.ident), methods.collect())
        }
        Item::Impl(item) => (impl_of(item, text), Vec::new(), Vec::new()),
        Item::Macro(item) => match &item.ident {
            Some(name) => {
                let makes_items = makes_items(item.mac.tokens.clone());
                (Kind::Macro { makes_items }, one(Space::Macro, name), Vec::new())
            }
            None => (Kind::Call, Vec::new(), Vec::new()),
        },
        Item::ForeignMod(item) => {
            let names = item.items.iter().filter_map(|item| match item {
                syn::ForeignItem::Fn(item) => Some((Space::Value, item.sig.ident.to_string())),
                syn::ForeignItem::Static(item) => Some((Space::Value, item.ident.to_string())),
                syn::ForeignItem::Type(item) => Some((Space::Type, item.ident.to_string())),
                _ => None,
            });
            (Kind::Other, names.collect(), Vec::new())
        }
        _ => (Kind::Call, Vec::new(), Vec::new()),
    }
}

fn impl_of(item: &syn::ItemImpl, text: &str) -> Kind {
    let start = item.impl_token.span().byte_range().start;
    let end = item.brace_token.span.open().byte_range().start;
    let header = text.get(start..end).unwrap_or_default();
    let mut about = Names::new();
    names::collect(header, &mut about);
    let parts = item.items.iter().filter_map(|part| {
        let name = match part {
            ImplItem::Fn(part) => part.sig.ident.to_string(),
            ImplItem::Const(part) => part.ident.to_string(),
            _ => return None,
        };
        Some((name, part.span().byte_range()))
    });
    let parts = if item.trait_.is_some() { Vec::new() } else { parts.collect() };
    let header =
        header.parse::<TokenStream>().map_or_else(|_| header.to_owned(), |tokens| tokens.to_string());
    Kind::Impl { header, about, parts }
}

/// Whether a `macro_rules!` makes definitions: what one of its rules writes begins with one.
fn makes_items(rules: TokenStream) -> bool {
    let mut arrow = false;
    for token in rules {
        if let (true, TokenTree::Group(body)) = (arrow, &token)
            && begins_with_item(body.stream())
        {
            return true;
        }
        arrow = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '>');
    }
    false
}

fn begins_with_item(body: TokenStream) -> bool {
    let mut tokens = body.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            // `$x` may be attributes or a visibility; `$(…)` may hold the definitions.
            TokenTree::Punct(punct) if punct.as_char() == '$' => {
                if let Some(TokenTree::Group(group)) = tokens.next()
                    && begins_with_item(group.stream())
                {
                    return true;
                }
            }
            TokenTree::Punct(punct) if matches!(punct.as_char(), '*' | '+' | '?' | '#') => {}
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {}
            TokenTree::Ident(word) => {
                let block = matches!(tokens.peek(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace);
                return match word.to_string().as_str() {
                    "pub" | "struct" | "enum" | "union" | "fn" | "impl" | "trait" | "mod" | "type"
                    | "static" | "extern" | "macro_rules" | "thread_local" => true,
                    "const" | "unsafe" | "async" => !block,
                    _ => false,
                };
            }
            _ => return false,
        }
    }
    false
}

fn tokens_of(path: &syn::Path) -> String {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>().join("::")
}

fn import_of(cell: u32, name: Option<String>, text: String) -> Definition {
    let mut mentions = Names::new();
    names::collect(&text, &mut mentions);
    Definition {
        cell,
        names: name.into_iter().map(|name| (Space::Any, name)).collect(),
        aliases: Vec::new(),
        mentions,
        tokens: text.clone(),
        text: Text::Written(text),
        kind: Kind::Use,
        statics: Vec::new(),
        checks: Vec::new(),
        replaced: Vec::new(),
        works: false,
    }
}

fn flatten(tree: &UseTree, path: &str, leaves: &mut Vec<(Option<String>, String)>) {
    match tree {
        UseTree::Path(node) => flatten(&node.tree, &format!("{path}{}::", node.ident), leaves),
        UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, path, leaves)),
        UseTree::Glob(_) => leaves.push((None, format!("use {path}*;"))),
        UseTree::Name(name) if name.ident == "self" => {
            let path = path.trim_end_matches("::");
            let last = path.rsplit("::").next().unwrap_or(path);
            leaves.push((Some(last.to_owned()), format!("use {path}::{{self}};")));
        }
        UseTree::Name(name) => {
            leaves.push((Some(name.ident.to_string()), format!("use {path}{};", name.ident)))
        }
        UseTree::Rename(node) => {
            let text = if node.ident == "self" {
                format!("use {}::{{self as {}}};", path.trim_end_matches("::"), node.rename)
            } else {
                format!("use {path}{} as {};", node.ident, node.rename)
            };
            leaves.push(((node.rename != "_").then(|| node.rename.to_string()), text));
        }
    }
}

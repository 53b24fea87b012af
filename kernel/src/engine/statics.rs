//! Statics and thread-local keys: defined in the first library that has them, declared in all later ones.

use std::ops::Range;

use syn::parse::{Parse, ParseStream, Parser};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Item, Token};

/// A static, which exists once however many cells' libraries hold its function.
#[derive(Debug, Clone)]
pub struct Static {
    /// Where its definition stands.
    pub range: Range<usize>,
    /// What goes in before its definition.
    pub before: String,
    /// What goes in after its definition.
    pub after: String,
    /// What stands in its place in later cells.
    pub declaration: String,
    /// The symbols it is exported under.
    pub symbols: Vec<String>,
}

/// The statics in an item, those in function bodies included.
pub fn statics_in(cell: u32, item: &Item, text: &str) -> Vec<Static> {
    let mut search = Statics { cell, text, found: Vec::new() };
    search.visit_item(item);
    search.found
}

/// The keys of a `thread_local!` call, by name, and the static that stands for them.
pub fn thread_local_call(
    cell: u32,
    call: &syn::Macro,
    text: &str,
    range: Range<usize>,
) -> Option<(Vec<String>, Static)> {
    let keys = ThreadLocals::parse.parse2(call.tokens.clone()).ok()?;
    let names = keys.0.iter().map(|(_, name, _)| name.clone()).collect();
    Some((names, thread_locals(cell, &keys, text, range)))
}

struct Statics<'t> {
    cell: u32,
    text: &'t str,
    found: Vec<Static>,
}

impl<'a> Visit<'a> for Statics<'_> {
    fn visit_item_static(&mut self, item: &'a syn::ItemStatic) {
        // A generic function's static is one for all its instances, so it needs no type parameters.
        let symbol = format!(
            "sconce_static_{}_{}_{}",
            self.cell,
            item.static_token.span().byte_range().start,
            item.ident
        );
        let slice = |range: Range<usize>| self.text.get(range).unwrap_or_default();
        let visibility = match &item.vis {
            syn::Visibility::Inherited => "",
            visibility => slice(visibility.span().byte_range()),
        };
        let (safe, mutable) = match item.mutability {
            syn::StaticMutability::None => ("safe ", ""),
            _ => ("", "mut "),
        };
        let ty = static_type(&item.ty, self.text);
        self.found.push(Static {
            range: item.span().byte_range(),
            before: format!("#[unsafe(export_name = \"{symbol}\")] "),
            after: String::new(),
            declaration: format!(
                "unsafe extern \"Rust\" {{ #[link_name = \"{symbol}\"] {visibility} {safe}static {mutable}{}: {ty}; }}",
                item.ident
            ),
            symbols: vec![symbol],
        });
        visit::visit_item_static(self, item);
    }

    fn visit_stmt_macro(&mut self, call: &'a syn::StmtMacro) {
        if call.mac.path.is_ident("thread_local") {
            let found = thread_local_call(self.cell, &call.mac, self.text, call.span().byte_range());
            self.found.extend(found.map(|(_, found)| found));
        }
    }
}

/// A static's type as it must be written in its declaration: on one line, and with the lifetimes that may be
/// left out in its definition.
fn static_type(ty: &syn::Type, text: &str) -> String {
    struct Elided(Vec<(Range<usize>, &'static str)>);
    impl<'a> Visit<'a> for Elided {
        fn visit_type_reference(&mut self, reference: &'a syn::TypeReference) {
            if reference.lifetime.is_none() {
                let end = reference.and_token.span().byte_range().end;
                self.0.push((end..end, "'static "));
            }
            visit::visit_type_reference(self, reference);
        }

        fn visit_lifetime(&mut self, lifetime: &'a syn::Lifetime) {
            if lifetime.ident == "_" {
                self.0.push((lifetime.span().byte_range(), "'static"));
            }
        }

        // In the signature of a function, what is left out is any lifetime.
        fn visit_type_fn_ptr(&mut self, _: &'a syn::TypeFnPtr) {}
        fn visit_parenthesized_generic_arguments(&mut self, _: &'a syn::ParenthesizedGenericArguments) {}
    }
    let range = ty.span().byte_range();
    let mut elided = Elided(Vec::new());
    elided.visit_type(ty);
    let mut written = String::new();
    let mut from = range.start;
    for (at, with) in elided.0 {
        written.push_str(text.get(from..at.start).unwrap_or_default());
        written.push_str(with);
        from = at.end;
    }
    written.push_str(text.get(from..range.end).unwrap_or_default());
    written.replace('\n', " ")
}

/// The keys in a `thread_local!`: visibility, name, type.
struct ThreadLocals(Vec<(syn::Visibility, String, syn::Type)>);

impl Parse for ThreadLocals {
    fn parse(input: ParseStream<'_>) -> syn::Result<ThreadLocals> {
        let mut keys = Vec::new();
        while !input.is_empty() {
            input.call(syn::Attribute::parse_outer)?;
            let visibility = input.parse()?;
            input.parse::<Token![static]>()?;
            let name: syn::Ident = input.parse()?;
            input.parse::<Token![:]>()?;
            let ty = input.parse()?;
            input.parse::<Token![=]>()?;
            if input.peek(Token![const]) {
                input.parse::<Token![const]>()?;
            }
            input.parse::<syn::Expr>()?;
            if !input.is_empty() {
                input.parse::<Token![;]>()?;
            }
            keys.push((visibility, name.to_string(), ty));
        }
        Ok(ThreadLocals(keys))
    }
}

/// Thread-local keys are constants that hold functions; exported as statics they are the same keys in all
/// cells.
fn thread_locals(cell: u32, keys: &ThreadLocals, text: &str, range: Range<usize>) -> Static {
    let mut found = Static {
        range: range.clone(),
        before: String::new(),
        after: String::new(),
        declaration: "unsafe extern \"Rust\" { ".to_owned(),
        symbols: Vec::new(),
    };
    for (visibility, name, ty) in &keys.0 {
        let symbol = format!("sconce_static_{cell}_{}_{name}", range.start);
        let ty = static_type(ty, text);
        let visibility = match visibility {
            syn::Visibility::Inherited => "",
            visibility => text.get(visibility.span().byte_range()).unwrap_or_default(),
        };
        found.after.push_str(&format!(
            " #[unsafe(export_name = \"{symbol}\")] static __SCONCE_KEY_{name}: ::std::thread::LocalKey<{ty}> = {name};"
        ));
        found.declaration.push_str(&format!(
            "#[link_name = \"{symbol}\"] {visibility} safe static {name}: ::std::thread::LocalKey<{ty}>; "
        ));
        found.symbols.push(symbol);
    }
    found.declaration.push('}');
    found
}

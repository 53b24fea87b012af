//! A cell's text, taken apart into the pieces that the generator places.

use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use proc_macro2::TokenStream;
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Item, Local, Pat, Stmt};

use super::items::{self, Definition};
use super::names;

/// A cell, taken apart.
#[derive(Debug)]
pub struct Cell {
    /// Its number, from 1.
    pub number: u32,
    /// Its text.
    pub text: Arc<str>,
    /// Its pieces, in order.
    pub pieces: Vec<Piece>,
    /// All identifiers in its statements.
    pub mentions: names::Names,
    /// Where loop bodies begin, in statements and items, in order.
    pub loops: Vec<usize>,
    /// Whether it is worth optimising: it loops, or it walks over things.
    pub works: bool,
}

/// A part of a cell.
#[derive(Debug)]
pub struct Piece {
    /// Where it stands.
    pub range: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// What a part of a cell is.
#[derive(Debug)]
pub enum Kind {
    /// One or more definitions.
    Items(Vec<Definition>),
    /// A `let`.
    Let(Let),
    /// An expression or macro call.
    Statement {
        /// It has a value to show: no semicolon follows.
        value: bool,
        /// It awaits something.
        awaits: bool,
    },
}

/// A `let` at the top level.
#[derive(Debug)]
pub struct Let {
    /// The variables it makes.
    pub bindings: Vec<Binding>,
    /// It can be a step of its own: it has a value, and binds nothing by reference.
    pub plain: bool,
    /// The value is a closure: it has no type that another cell could name.
    pub closure: bool,
    /// It awaits something.
    pub awaits: bool,
}

/// A variable that a `let` makes.
#[derive(Debug, Clone)]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// Whether it is `mut`.
    pub mutable: bool,
    /// Where the name stands.
    pub range: Range<usize>,
}

/// Why a text could not be taken apart.
#[derive(Debug)]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// Where.
    pub range: Range<usize>,
}

/// Takes a cell apart. The error is for a person only where rustc has nothing better to say.
pub fn parse(number: u32, text: &str, user_macros: &dyn Fn(&str) -> bool) -> Result<Cell, SyntaxError> {
    // Spans are kept per thread until they are given back; none outlives this call.
    proc_macro2::extra::invalidate_current_thread_spans();
    let tokens = TokenStream::from_str(text).map_err(|error| SyntaxError {
        message: error.to_string(),
        range: clip(error.span().byte_range(), text),
    })?;
    let statements = Block::parse_within.parse2(tokens).map_err(|error| SyntaxError {
        message: error.to_string(),
        range: clip(error.span().byte_range(), text),
    })?;

    let mut shape = Shape { loops: Vec::new(), works: false, constant: 0 };
    let mut mentions = names::Names::new();
    let mut pieces = Vec::new();
    let last = statements.len().saturating_sub(1);
    for (index, statement) in statements.iter().enumerate() {
        if let Stmt::Expr(Expr::Verbatim(tokens), _) = statement
            && tokens.is_empty()
        {
            continue; // a lone semicolon
        }
        let range = statement.span().byte_range();
        shape.visit_stmt(statement);
        let kind = match statement {
            Stmt::Item(item) => Kind::Items(items::definitions(number, item, text)),
            Stmt::Macro(call) if makes_items(call, user_macros) => {
                Kind::Items(items::from_macro_call(number, call, text, range.clone()))
            }
            Stmt::Local(local) => Kind::Let(take_apart(local)),
            Stmt::Expr(_, semicolon) => {
                Kind::Statement { value: semicolon.is_none() && index == last, awaits: awaits(statement) }
            }
            Stmt::Macro(call) => Kind::Statement {
                value: call.semi_token.is_none() && index == last,
                awaits: awaits(statement),
            },
        };
        if !matches!(kind, Kind::Items(_)) {
            names::collect(&text[range.clone()], &mut mentions);
        }
        pieces.push(Piece { range, kind });
    }
    let mut loops = shape.loops;
    loops.sort_unstable();
    Ok(Cell { number, text: text.into(), pieces, mentions, loops, works: shape.works })
}

fn clip(range: Range<usize>, text: &str) -> Range<usize> {
    let start = text.floor_char_boundary(range.start.min(text.len()));
    let end = text.ceil_char_boundary(range.end.min(text.len()));
    start..end.max(start)
}

/// Whether a macro call at the top level stands for definitions, not for a value.
fn makes_items(call: &syn::StmtMacro, user_macros: &dyn Fn(&str) -> bool) -> bool {
    let Some(name) = call.mac.path.segments.last().map(|segment| segment.ident.to_string()) else {
        return false;
    };
    matches!(name.as_str(), "thread_local" | "lazy_static" | "bitflags") || user_macros(&name)
}

fn take_apart(local: &Local) -> Let {
    let mut bindings = Bindings { found: Vec::new(), by_reference: false, alone: true };
    let mut pattern = &local.pat;
    while let Pat::Type(typed) = pattern {
        pattern = &typed.pat;
    }
    if !matches!(pattern, Pat::Ident(_)) {
        bindings.alone = false;
    }
    bindings.visit_pat(pattern);
    let value = local.init.as_ref().map(|init| &*init.expr);
    Let {
        plain: value.is_some() && !bindings.by_reference,
        closure: matches!(value, Some(Expr::Closure(_))),
        bindings: bindings.found,
        awaits: local.init.as_ref().is_some_and(|init| {
            let mut search = Awaits(false);
            search.visit_expr(&init.expr);
            search.0
        }),
    }
}

struct Bindings {
    found: Vec<Binding>,
    by_reference: bool,
    alone: bool,
}

impl<'a> Visit<'a> for Bindings {
    fn visit_pat_ident(&mut self, pattern: &'a syn::PatIdent) {
        let name = pattern.ident.to_string();
        self.by_reference |= pattern.by_ref.is_some();
        // Inside a larger pattern `None` is a constant or variant, as rustc would resolve it.
        let constant = !self.alone
            && pattern.subpat.is_none()
            && pattern.mutability.is_none()
            && name.starts_with(char::is_uppercase);
        // Both arms of an or-pattern bind the same names.
        if !constant && !self.found.iter().any(|binding| binding.name == name) {
            self.found.push(Binding {
                name,
                mutable: pattern.mutability.is_some(),
                range: pattern.ident.span().byte_range(),
            });
        }
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_expr(&mut self, _: &'a Expr) {}
}

fn awaits(statement: &Stmt) -> bool {
    let mut search = Awaits(false);
    search.visit_stmt(statement);
    search.0
}

struct Awaits(bool);

impl<'a> Visit<'a> for Awaits {
    fn visit_expr_await(&mut self, _: &'a syn::ExprAwait) {
        self.0 = true;
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        self.0 |= names::awaits(call.tokens.clone());
    }

    // These have an `.await` of their own.
    fn visit_expr_closure(&mut self, _: &'a syn::ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'a syn::ExprAsync) {}
    fn visit_item(&mut self, _: &'a Item) {}
}

/// Finds loops, where an interrupt can be noticed.
struct Shape {
    loops: Vec<usize>,
    works: bool,
    constant: usize,
}

impl Shape {
    fn enter(&mut self, body: &Block) {
        self.works = true;
        // Constants are computed by rustc, which cannot look at a flag.
        if self.constant == 0 {
            self.loops.push(body.brace_token.span.open().byte_range().end);
        }
    }
}

impl<'a> Visit<'a> for Shape {
    fn visit_expr_loop(&mut self, node: &'a syn::ExprLoop) {
        self.enter(&node.body);
        visit::visit_expr_loop(self, node);
    }

    fn visit_expr_while(&mut self, node: &'a syn::ExprWhile) {
        self.enter(&node.body);
        visit::visit_expr_while(self, node);
    }

    fn visit_expr_for_loop(&mut self, node: &'a syn::ExprForLoop) {
        self.enter(&node.body);
        visit::visit_expr_for_loop(self, node);
    }

    fn visit_expr_method_call(&mut self, node: &'a syn::ExprMethodCall) {
        let name = node.method.to_string();
        self.works |= matches!(
            name.as_str(),
            "iter" | "iter_mut" | "into_iter" | "chars" | "bytes" | "chunks" | "windows" | "lines" | "drain"
        );
        visit::visit_expr_method_call(self, node);
    }

    fn visit_item_fn(&mut self, node: &'a syn::ItemFn) {
        let constant = usize::from(node.sig.constness.is_some());
        self.constant += constant;
        visit::visit_item_fn(self, node);
        self.constant -= constant;
    }

    fn visit_impl_item_fn(&mut self, node: &'a syn::ImplItemFn) {
        let constant = usize::from(node.sig.constness.is_some());
        self.constant += constant;
        visit::visit_impl_item_fn(self, node);
        self.constant -= constant;
    }

    fn visit_expr_const(&mut self, node: &'a syn::ExprConst) {
        self.constant += 1;
        visit::visit_expr_const(self, node);
        self.constant -= 1;
    }

    fn visit_item_const(&mut self, node: &'a syn::ItemConst) {
        self.constant += 1;
        visit::visit_item_const(self, node);
        self.constant -= 1;
    }

    fn visit_impl_item_const(&mut self, node: &'a syn::ImplItemConst) {
        self.constant += 1;
        visit::visit_impl_item_const(self, node);
        self.constant -= 1;
    }

    fn visit_item_static(&mut self, node: &'a syn::ItemStatic) {
        self.constant += 1;
        visit::visit_item_static(self, node);
        self.constant -= 1;
    }

    fn visit_type(&mut self, node: &'a syn::Type) {
        self.constant += 1;
        visit::visit_type(self, node);
        self.constant -= 1;
    }
}

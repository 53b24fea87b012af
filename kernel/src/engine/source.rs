//! A cell's text, taken apart into the pieces that the generator places.

use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use proc_macro2::TokenStream;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Expr, Item, Local, Pat, Stmt};

use super::checks::Checks;
use super::definitions::Definitions;
use super::items::{self, Definition};
use super::names;
use super::nesting::{self, on_a_large_stack};
use super::placed::Edit;
use super::shape::Shape;

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
    /// Changes to the text: returns that end the cell, what is shown by reference.
    pub edits: Vec<Edit>,
    /// Changes to the text: looks whether the user wants the cell to stop.
    pub checks: Vec<Edit>,
    /// The variables that its statements assign to as a whole.
    pub assigned: names::Names,
    /// Whether it is worth optimising: it loops, or it walks over things.
    pub works: bool,
}

impl Cell {
    /// Its definitions, in order.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        let lists = self.pieces.iter().filter_map(|piece| match &piece.kind {
            Kind::Items(definitions) => Some(definitions),
            _ => None,
        });
        lists.flatten()
    }

    /// Whether it defines a `main`, as a program would, and has no statement that could call it.
    pub fn defines_main_only(&self) -> bool {
        self.pieces.iter().all(|piece| matches!(piece.kind, Kind::Items(_)))
            && self.definitions().any(|definition| definition.is("main"))
    }
}

/// A part of a cell.
#[derive(Debug)]
pub struct Piece {
    /// Where it stands.
    pub range: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

impl Piece {
    fn definitions(&mut self) -> Option<&mut Vec<Definition>> {
        match &mut self.kind {
            Kind::Items(definitions) => Some(definitions),
            _ => None,
        }
    }
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
pub fn parse(number: u32, text: &str, definitions: &Definitions) -> Result<Cell, SyntaxError> {
    on_a_large_stack(|| take_cell_apart(number, text, definitions))
        .unwrap_or_else(|error| Err(SyntaxError { message: error.to_string(), range: 0..0 }))
}

pub(super) fn take_cell_apart(
    number: u32,
    text: &str,
    definitions: &Definitions,
) -> Result<Cell, SyntaxError> {
    // Spans are kept per thread until they are given back; none outlives this call.
    proc_macro2::extra::invalidate_current_thread_spans();
    let error = |message: String, range| SyntaxError { message, range: clip(range, text) };
    let tokens = TokenStream::from_str(text).map_err(|at| error(at.to_string(), at.span().byte_range()))?;
    if let Some(at) = nesting::too_deep(tokens.clone()) {
        return Err(error(nesting::message(), at));
    }
    let statements = statements(tokens).map_err(|at| error(at.to_string(), at.span().byte_range()))?;

    let mut shape = Shape::default();
    let mut checks = Checks::of(text);
    let mut mentions = names::Names::new();
    let mut pieces = Vec::new();
    let mut own: Vec<Definition> = Vec::new();
    let last = statements.len().saturating_sub(1);
    for (index, statement) in statements.iter().enumerate() {
        if let Stmt::Expr(Expr::Verbatim(tokens), _) = statement
            && tokens.is_empty()
        {
            continue; // a lone semicolon
        }
        let range = statement.span().byte_range();
        shape.visit_stmt(statement);
        checks.visit_stmt(statement);
        let kind = match statement {
            Stmt::Item(item) => Kind::Items(items::definitions(number, item, text)),
            Stmt::Macro(call) if makes_items(call, definitions, &own) => {
                Kind::Items(items::from_macro_call(number, call, text, range.clone()))
            }
            Stmt::Local(local) => Kind::Let(take_apart(local, definitions, &own)),
            Stmt::Expr(shown, semicolon) => {
                let value = semicolon.is_none() && index == last;
                if value {
                    shape.show_by_reference(shown);
                }
                Kind::Statement { value, awaits: awaits(statement) }
            }
            Stmt::Macro(call) => Kind::Statement {
                value: call.semi_token.is_none() && index == last,
                awaits: awaits(statement),
            },
        };
        match &kind {
            Kind::Items(definitions) => own.extend(definitions.iter().cloned()),
            _ => names::collect(&text[range.clone()], &mut mentions),
        }
        pieces.push(Piece { range, kind });
    }
    let Shape { edits, assigned, works, .. } = shape;
    let works = works || checks.counts;
    let checks = checks.edits;
    for definition in pieces.iter_mut().filter_map(Piece::definitions).flatten() {
        if let items::Text::Source(range) = &definition.text {
            definition.checks =
                checks.iter().filter(|edit| range.contains(&edit.range.start)).cloned().collect();
        }
    }
    Ok(Cell { number, text: text.into(), pieces, mentions, edits, checks, assigned, works })
}

/// The statements and definitions of a cell.
pub fn statements(tokens: TokenStream) -> syn::Result<Vec<Stmt>> {
    let cell = |input: ParseStream<'_>| {
        // `#![allow(…)]` says nothing here: what it could say holds anyway.
        input.call(Attribute::parse_inner)?;
        Block::parse_within(input)
    };
    cell.parse2(tokens)
}

fn clip(range: Range<usize>, text: &str) -> Range<usize> {
    let start = text.floor_char_boundary(range.start.min(text.len()));
    let end = text.ceil_char_boundary(range.end.min(text.len()));
    start..end.max(start)
}

/// Whether a macro call at the top level stands for definitions, not for a value.
fn makes_items(call: &syn::StmtMacro, definitions: &Definitions, own: &[Definition]) -> bool {
    let Some(name) = call.mac.path.segments.last().map(|segment| segment.ident.to_string()) else {
        return false;
    };
    matches!(name.as_str(), "thread_local" | "lazy_static" | "bitflags")
        || definitions.macro_makes_items(&name)
        || own.iter().any(|definition| definition.is_macro_that_makes_items(&name))
}

fn take_apart(local: &Local, definitions: &Definitions, own: &[Definition]) -> Let {
    let mut bindings = Bindings { found: Vec::new(), by_reference: false, alone: true, definitions, own };
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

struct Bindings<'d> {
    found: Vec<Binding>,
    by_reference: bool,
    alone: bool,
    definitions: &'d Definitions,
    own: &'d [Definition],
}

impl<'a> Visit<'a> for Bindings<'_> {
    fn visit_pat_ident(&mut self, pattern: &'a syn::PatIdent) {
        let name = pattern.ident.to_string();
        self.by_reference |= pattern.by_ref.is_some();
        // `None`, or a constant or variant of the user's, is compared with; `B` of `(B, C)` is a variable.
        let known =
            || name == "None" || self.definitions.has(&name) || self.own.iter().any(|own| own.is(&name));
        let constant = !self.alone
            && pattern.subpat.is_none()
            && pattern.mutability.is_none()
            && name.starts_with(char::is_uppercase)
            && known();
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
        let name = call.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        self.0 |=
            matches!(name.as_str(), "join" | "try_join" | "select") || names::awaits(call.tokens.clone());
    }

    // These have an `.await` of their own.
    fn visit_expr_closure(&mut self, _: &'a syn::ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'a syn::ExprAsync) {}
    fn visit_item(&mut self, _: &'a Item) {}
}

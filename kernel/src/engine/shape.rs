//! What in a cell's text becomes something else: loops look whether the user wants them to stop, a `return`
//! ends the cell, and what is shown is not moved.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Item};

use super::names::Names;
use super::placed::Edit;

const CHECK: &str = " ::sconce_cell::check();";

/// What is found while a cell is walked through.
#[derive(Debug, Default)]
pub struct Shape {
    /// The changes.
    pub edits: Vec<Edit>,
    /// The variables that are assigned to as a whole.
    pub assigned: Names,
    /// It loops, or it walks over things.
    pub works: bool,
    /// How many constants, which rustc computes, are around.
    constant: usize,
    /// How many loops are around.
    loops: usize,
    /// How many functions, closures and async blocks are around, which a `return` is for.
    functions: usize,
    /// How many loops have been met.
    met: usize,
}

impl Shape {
    /// Shows the parts of a tuple or array by reference, so that `(a, b)` moves neither.
    pub fn show_by_reference(&mut self, shown: &Expr) {
        let parts = match shown {
            Expr::Tuple(tuple) => &tuple.elems,
            Expr::Array(array) => &array.elems,
            _ => return,
        };
        for part in parts.iter().filter(|part| matches!(part, Expr::Path(_))) {
            let start = part.span().byte_range().start;
            self.edits.push(Edit { range: start..start, with: "&".into() });
        }
    }

    fn body(&mut self, body: &Block, innermost_may_run_on: bool, walk: impl FnOnce(&mut Shape)) {
        self.works = true;
        self.met += 1;
        let met = self.met;
        self.loops += 1;
        walk(self);
        self.loops -= 1;
        // The inner of two counted loops comes to its end and should be fast: the outer one looks.
        let leave_fast = !innermost_may_run_on && self.loops > 0 && self.met == met;
        if self.constant == 0 && !leave_fast {
            let start = body.brace_token.span.open().byte_range().end;
            let inner_attributes = body.stmts.first().map(|statement| statement.span().byte_range().start);
            // Only white space, or attributes that must come first, stand before the first statement.
            let at = inner_attributes.unwrap_or(start).max(start);
            self.edits.push(Edit { range: at..at, with: CHECK.to_owned() + " " });
        }
    }

    fn constant(&mut self, walk: impl FnOnce(&mut Shape)) {
        self.constant += 1;
        walk(self);
        self.constant -= 1;
    }

    fn function(&mut self, walk: impl FnOnce(&mut Shape)) {
        self.functions += 1;
        let loops = std::mem::take(&mut self.loops);
        walk(self);
        self.loops = loops;
        self.functions -= 1;
    }
}

fn path(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
        _ => None,
    }
}

/// The argument of a call of `Ok` or `Err`.
fn variant(expression: &Expr) -> Option<(String, &Expr)> {
    match expression {
        Expr::Call(call) if call.args.len() == 1 => Some((path(&call.func)?, &call.args[0])),
        _ => None,
    }
}

impl<'a> Visit<'a> for Shape {
    fn visit_expr_loop(&mut self, node: &'a syn::ExprLoop) {
        self.body(&node.body, true, |shape| visit::visit_expr_loop(shape, node));
    }

    fn visit_expr_while(&mut self, node: &'a syn::ExprWhile) {
        self.body(&node.body, true, |shape| visit::visit_expr_while(shape, node));
    }

    fn visit_expr_for_loop(&mut self, node: &'a syn::ExprForLoop) {
        self.body(&node.body, false, |shape| visit::visit_expr_for_loop(shape, node));
    }

    fn visit_expr_return(&mut self, node: &'a syn::ExprReturn) {
        if self.functions == 0 {
            let range = node.span().byte_range();
            let ends = "return ::std::result::Result::Err(::sconce_cell::Failed::";
            match node.expr.as_deref().map(|value| (value, variant(value))) {
                Some((_, Some((name, error)))) if name == "Err" => {
                    let error = error.span().byte_range();
                    self.edits.push(Edit { range: range.start..error.start, with: format!("{ends}from(") });
                    self.edits.push(Edit { range: error.end..range.end, with: "))".into() });
                }
                Some((_, None)) => {}
                _ => self.edits.push(Edit { range, with: format!("{ends}returned())") }),
            }
        }
        visit::visit_expr_return(self, node);
    }

    fn visit_expr_assign(&mut self, node: &'a syn::ExprAssign) {
        match &*node.left {
            Expr::Tuple(tuple) => self.assigned.extend(tuple.elems.iter().filter_map(path)),
            left => self.assigned.extend(path(left)),
        }
        visit::visit_expr_assign(self, node);
    }

    fn visit_expr_method_call(&mut self, node: &'a syn::ExprMethodCall) {
        let name = node.method.to_string();
        self.works |= matches!(
            name.as_str(),
            "iter" | "iter_mut" | "into_iter" | "chars" | "bytes" | "chunks" | "windows" | "lines" | "drain"
        );
        visit::visit_expr_method_call(self, node);
    }

    fn visit_expr_closure(&mut self, node: &'a syn::ExprClosure) {
        self.function(|shape| visit::visit_expr_closure(shape, node));
    }

    fn visit_expr_async(&mut self, node: &'a syn::ExprAsync) {
        self.function(|shape| visit::visit_expr_async(shape, node));
    }

    fn visit_item(&mut self, node: &'a Item) {
        self.function(|shape| visit::visit_item(shape, node));
    }

    fn visit_item_fn(&mut self, node: &'a syn::ItemFn) {
        match node.sig.constness {
            Some(_) => self.constant(|shape| visit::visit_item_fn(shape, node)),
            None => visit::visit_item_fn(self, node),
        }
    }

    fn visit_impl_item_fn(&mut self, node: &'a syn::ImplItemFn) {
        match node.sig.constness {
            Some(_) => self.constant(|shape| visit::visit_impl_item_fn(shape, node)),
            None => visit::visit_impl_item_fn(self, node),
        }
    }

    fn visit_expr_const(&mut self, node: &'a syn::ExprConst) {
        self.constant(|shape| visit::visit_expr_const(shape, node));
    }

    fn visit_expr_repeat(&mut self, node: &'a syn::ExprRepeat) {
        self.visit_expr(&node.expr);
        self.constant(|shape| shape.visit_expr(&node.len));
    }

    fn visit_item_const(&mut self, node: &'a syn::ItemConst) {
        self.constant(|shape| visit::visit_item_const(shape, node));
    }

    fn visit_impl_item_const(&mut self, node: &'a syn::ImplItemConst) {
        self.constant(|shape| visit::visit_impl_item_const(shape, node));
    }

    fn visit_trait_item_const(&mut self, node: &'a syn::TraitItemConst) {
        self.constant(|shape| visit::visit_trait_item_const(shape, node));
    }

    fn visit_item_static(&mut self, node: &'a syn::ItemStatic) {
        self.constant(|shape| visit::visit_item_static(shape, node));
    }

    fn visit_type(&mut self, node: &'a syn::Type) {
        self.constant(|shape| visit::visit_type(shape, node));
    }
}

//! What in a cell's text becomes something else: a `return` ends the cell, and what is shown is not moved.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Expr, Item};

use super::names::Names;
use super::placed::Edit;

/// What is found while a cell is walked through.
#[derive(Debug, Default)]
pub struct Shape {
    /// The changes.
    pub edits: Vec<Edit>,
    /// The variables that are assigned to as a whole.
    pub assigned: Names,
    /// It loops, or it walks over things.
    pub works: bool,
    /// How many functions, closures and async blocks are around, which a `return` is for.
    functions: usize,
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

    fn function(&mut self, walk: impl FnOnce(&mut Shape)) {
        self.functions += 1;
        walk(self);
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
        self.works = true;
        visit::visit_expr_loop(self, node);
    }

    fn visit_expr_while(&mut self, node: &'a syn::ExprWhile) {
        self.works = true;
        visit::visit_expr_while(self, node);
    }

    fn visit_expr_for_loop(&mut self, node: &'a syn::ExprForLoop) {
        self.works = true;
        visit::visit_expr_for_loop(self, node);
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
}

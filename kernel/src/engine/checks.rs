//! Where in a cell's text code looks whether the user wants it to stop.
//!
//! Every loop looks in each round. Where a round is so cheap that the look would cost, a `for` runs in
//! blocks of rounds with a look between them, and so do iterators without an end in sight.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, Expr, Item};

use super::cheap;
use super::placed::Edit;

const CHECK: &str = " ::sconce_cell::check();";

/// The methods that use an iterator up.
const CONSUMERS: [&str; 37] = [
    "all",
    "any",
    "cmp",
    "collect",
    "collect_vec",
    "count",
    "eq",
    "find",
    "find_map",
    "fold",
    "for_each",
    "ge",
    "gt",
    "is_sorted",
    "last",
    "le",
    "lt",
    "max",
    "max_by",
    "max_by_key",
    "min",
    "min_by",
    "min_by_key",
    "ne",
    "nth",
    "partial_cmp",
    "partition",
    "position",
    "product",
    "reduce",
    "rposition",
    "sum",
    "try_fold",
    "try_for_each",
    "unzip",
    "rfold",
    "rfind",
];

/// The methods that leave items out, so that what they are collected into says nothing of how many there were.
const DROPPERS: [&str; 7] =
    ["filter", "filter_map", "flat_map", "flatten", "skip_while", "take_while", "map_while"];

/// The methods that call their closure once for each item.
const WALKERS: [&str; 44] = [
    "all",
    "any",
    "chunk_by",
    "dedup_by",
    "dedup_by_key",
    "filter",
    "filter_map",
    "find",
    "find_map",
    "flat_map",
    "fold",
    "for_each",
    "inspect",
    "is_sorted_by",
    "map",
    "map_while",
    "max_by",
    "max_by_key",
    "min_by",
    "min_by_key",
    "partition",
    "position",
    "reduce",
    "retain",
    "retain_mut",
    "rfind",
    "rfold",
    "rposition",
    "scan",
    "skip_while",
    "sort_by",
    "sort_by_cached_key",
    "sort_by_key",
    "sort_unstable_by",
    "sort_unstable_by_key",
    "split",
    "take_while",
    "try_fold",
    "try_for_each",
    "binary_search_by",
    "fill_with",
    "resize_with",
    "partition_point",
    "drain_filter",
];

/// The looks of a cell.
#[derive(Debug, Default)]
pub struct Checks {
    /// The changes to the text.
    pub edits: Vec<Edit>,
    /// An iterator runs in blocks: the cell is worth optimising.
    pub counts: bool,
    /// How many constants, which rustc computes, and functions that must not unwind are around.
    fixed: usize,
    /// How many loops run in blocks.
    blocks: usize,
    /// The label of the loop around, if it runs in blocks, with its number.
    labels: Vec<Around>,
    /// The text.
    text: String,
}

/// A loop that is around.
#[derive(Debug)]
struct Around {
    label: Option<String>,
    /// The number of a loop that runs in blocks.
    block: Option<usize>,
}

impl Checks {
    /// For a cell of this text.
    pub fn of(text: &str) -> Checks {
        Checks { text: text.to_owned(), ..Checks::default() }
    }

    fn insert(&mut self, at: usize, with: impl Into<String>) {
        self.edits.push(Edit { range: at..at, with: with.into() });
    }

    fn each_round(&mut self, body: &Block) {
        if self.fixed > 0 {
            return;
        }
        let open = body.brace_token.span.open().byte_range().end;
        // Only white space, or attributes that must come first, stand before the first statement.
        let first = body.stmts.first().map(|statement| statement.span().byte_range().start);
        self.insert(first.unwrap_or(open).max(open), format!("{CHECK} "));
    }

    fn around(&mut self, label: Option<&syn::Label>, block: Option<usize>, walk: impl FnOnce(&mut Checks)) {
        let label = label.map(|label| label.name.ident.to_string());
        self.labels.push(Around { label, block });
        walk(self);
        self.labels.pop();
    }

    fn fixed(&mut self, fixed: bool, walk: impl FnOnce(&mut Checks)) {
        self.fixed += usize::from(fixed);
        self.function(walk);
        self.fixed -= usize::from(fixed);
    }

    /// What is inside has loops of its own.
    fn function(&mut self, walk: impl FnOnce(&mut Checks)) {
        let labels = std::mem::take(&mut self.labels);
        walk(self);
        self.labels = labels;
    }

    /// Turns `for P in E { B }` into blocks: `match blocks(E) { b => 'b: while … { for P in … { B } } }`.
    /// The order of the text is kept but for `P`, which is written again.
    fn in_blocks(&mut self, node: &syn::ExprForLoop, pattern: &str) {
        self.blocks += 1;
        let number = self.blocks;
        let label = node.label.as_ref();
        let start = label.map_or(node.for_token.span, |label| label.name.apostrophe).byte_range().start;
        let items = node.expr.span().byte_range();
        let end = node.body.brace_token.span.close().byte_range().start;
        self.edits.push(Edit { range: start..items.start, with: "match ::sconce_cell::blocks(".into() });
        self.visit_expr(&node.expr);
        let own_label = label.map(|label| format!("'{}: ", label.name.ident)).unwrap_or_default();
        self.insert(
            items.end,
            format!(
                ") {{ mut __blocks{number} => '__blocks{number}: while __blocks{number}.more() {{ \
                 {own_label}for {pattern} in __blocks{number}.block()"
            ),
        );
        self.around(label, Some(number), |checks| checks.visit_block(&node.body));
        // Inside the last brace, so that the text after the loop stays as it is.
        self.insert(end, " } } ");
    }

    /// The pattern of a loop that runs in blocks, if it may.
    fn pattern_of_blocks(&self, node: &syn::ExprForLoop) -> Option<String> {
        if self.fixed > 0 || !cheap::items(&node.expr) || !cheap::body(&node.body) {
            return None;
        }
        let pattern = self.text.get(node.pat.span().byte_range())?;
        (!pattern.contains(['\n', '/'])).then(|| pattern.to_owned())
    }

    /// Makes what a chain of iterators begins with look now and then, if there may be no end to it.
    fn count(&mut self, chain: &Expr, collects: bool) {
        if self.fixed > 0 {
            return;
        }
        let mut drops = false;
        let mut root = chain;
        while let Expr::MethodCall(call) = root {
            let name = call.method.to_string();
            if name == "cycle" {
                break;
            }
            // It runs on other threads.
            if name.contains("par_") {
                return;
            }
            drops |= DROPPERS.contains(&name.as_str());
            root = &call.receiver;
        }
        if endless(root) && (drops || !collects) {
            self.counts = true;
            let range = root.span().byte_range();
            self.insert(range.start, "::sconce_cell::counted(");
            self.insert(range.end, ")");
        }
    }
}

/// Whether what a chain begins with can give more items than memory holds.
fn endless(root: &Expr) -> bool {
    match root {
        Expr::Paren(paren) => endless(&paren.expr),
        Expr::Range(range) => range.start.is_some() && !cheap::short(root),
        Expr::MethodCall(call) => call.method == "cycle",
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => {
                let mut names = path.path.segments.iter().rev().map(|segment| segment.ident.to_string());
                let function = names.next().unwrap_or_default();
                names.next().as_deref() == Some("iter")
                    && matches!(function.as_str(), "repeat" | "repeat_with" | "successors" | "from_fn")
            }
            _ => false,
        },
        _ => false,
    }
}

impl<'a> Visit<'a> for Checks {
    fn visit_expr_loop(&mut self, node: &'a syn::ExprLoop) {
        self.each_round(&node.body);
        self.around(node.label.as_ref(), None, |checks| visit::visit_expr_loop(checks, node));
    }

    fn visit_expr_while(&mut self, node: &'a syn::ExprWhile) {
        self.each_round(&node.body);
        self.around(node.label.as_ref(), None, |checks| visit::visit_expr_while(checks, node));
    }

    fn visit_expr_for_loop(&mut self, node: &'a syn::ExprForLoop) {
        if let Some(pattern) = self.pattern_of_blocks(node) {
            // A few rounds of something cheap need no look.
            if !cheap::short(&node.expr) {
                self.in_blocks(node, &pattern);
                return;
            }
        } else {
            self.count(&node.expr, true);
            self.each_round(&node.body);
        }
        self.around(node.label.as_ref(), None, |checks| visit::visit_expr_for_loop(checks, node));
    }

    fn visit_expr_break(&mut self, node: &'a syn::ExprBreak) {
        let label = node.label.as_ref().map(|label| label.ident.to_string());
        let target = match &label {
            Some(_) => self.labels.iter().rev().find(|around| around.label == label),
            None => self.labels.last(),
        };
        if let Some(number) = target.and_then(|around| around.block) {
            let end = node.break_token.span.byte_range().end;
            let end = node.label.as_ref().map_or(end, |label| label.span().byte_range().end);
            let range = node.break_token.span.byte_range().start..end;
            self.edits.push(Edit { range, with: format!("break '__blocks{number}") });
        }
        visit::visit_expr_break(self, node);
    }

    fn visit_expr_method_call(&mut self, node: &'a syn::ExprMethodCall) {
        let name = node.method.to_string();
        if CONSUMERS.contains(&name.as_str()) {
            self.count(
                &node.receiver,
                matches!(name.as_str(), "collect" | "collect_vec" | "unzip" | "partition"),
            );
        }
        self.visit_expr(&node.receiver);
        for argument in &node.args {
            match argument {
                Expr::Closure(closure) if WALKERS.contains(&name.as_str()) => self.walker(closure),
                argument => self.visit_expr(argument),
            }
        }
    }

    fn visit_expr_closure(&mut self, node: &'a syn::ExprClosure) {
        self.function(|checks| visit::visit_expr_closure(checks, node));
    }

    fn visit_expr_async(&mut self, node: &'a syn::ExprAsync) {
        self.function(|checks| visit::visit_expr_async(checks, node));
    }

    fn visit_item(&mut self, node: &'a Item) {
        self.function(|checks| visit::visit_item(checks, node));
    }

    fn visit_item_fn(&mut self, node: &'a syn::ItemFn) {
        self.fixed(is_fixed(&node.sig), |checks| visit::visit_item_fn(checks, node));
    }

    fn visit_impl_item_fn(&mut self, node: &'a syn::ImplItemFn) {
        self.fixed(is_fixed(&node.sig), |checks| visit::visit_impl_item_fn(checks, node));
    }

    fn visit_trait_item_fn(&mut self, node: &'a syn::TraitItemFn) {
        self.fixed(is_fixed(&node.sig), |checks| visit::visit_trait_item_fn(checks, node));
    }

    fn visit_expr_const(&mut self, node: &'a syn::ExprConst) {
        self.fixed(true, |checks| visit::visit_expr_const(checks, node));
    }

    fn visit_expr_repeat(&mut self, node: &'a syn::ExprRepeat) {
        self.visit_expr(&node.expr);
        self.fixed(true, |checks| checks.visit_expr(&node.len));
    }

    fn visit_item_const(&mut self, node: &'a syn::ItemConst) {
        self.fixed(true, |checks| visit::visit_item_const(checks, node));
    }

    fn visit_impl_item_const(&mut self, node: &'a syn::ImplItemConst) {
        self.fixed(true, |checks| visit::visit_impl_item_const(checks, node));
    }

    fn visit_trait_item_const(&mut self, node: &'a syn::TraitItemConst) {
        self.fixed(true, |checks| visit::visit_trait_item_const(checks, node));
    }

    fn visit_item_static(&mut self, node: &'a syn::ItemStatic) {
        self.fixed(true, |checks| visit::visit_item_static(checks, node));
    }

    fn visit_type(&mut self, node: &'a syn::Type) {
        self.fixed(true, |checks| visit::visit_type(checks, node));
    }
}

impl Checks {
    /// A closure that is called for each item looks each time, unless it is cheap.
    fn walker(&mut self, closure: &syn::ExprClosure) {
        if self.fixed > 0 || cheap::expression(&closure.body) {
            self.visit_expr_closure(closure);
            return;
        }
        match &*closure.body {
            Expr::Block(block) if block.attrs.is_empty() && block.label.is_none() => {
                self.each_round(&block.block);
                self.visit_expr_closure(closure);
            }
            body => {
                let range = body.span().byte_range();
                self.insert(range.start, format!("{{{CHECK} "));
                self.visit_expr_closure(closure);
                self.insert(range.end, " }");
            }
        }
    }
}

/// Whether no look may stand in a function: rustc computes it, or it must not unwind.
fn is_fixed(signature: &syn::Signature) -> bool {
    signature.constness.is_some() || signature.abi.is_some()
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;

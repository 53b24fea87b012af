//! Which code is cheap: a hundred rounds of it are over before a person could notice.

use syn::visit::{self, Visit};
use syn::{Block, Expr, Lit};

/// Methods of numbers, slices and options that take some nanoseconds.
const METHODS: [&str; 68] = [
    "abs",
    "abs_diff",
    "acos",
    "asin",
    "as_bytes",
    "as_ref",
    "as_slice",
    "as_str",
    "atan",
    "atan2",
    "ceil",
    "checked_add",
    "checked_mul",
    "checked_sub",
    "clamp",
    "contains_key",
    "copied",
    "cos",
    "cosh",
    "count_ones",
    "div_euclid",
    "exp",
    "first",
    "floor",
    "fract",
    "from_bits",
    "get",
    "get_mut",
    "get_unchecked",
    "hypot",
    "is_empty",
    "is_multiple_of",
    "is_nan",
    "is_none",
    "is_some",
    "last",
    "leading_zeros",
    "len",
    "ln",
    "log10",
    "log2",
    "max",
    "min",
    "mul_add",
    "pop",
    "pow",
    "powf",
    "powi",
    "push",
    "recip",
    "rem_euclid",
    "rotate_left",
    "rotate_right",
    "round",
    "saturating_add",
    "saturating_sub",
    "signum",
    "sin",
    "sqrt",
    "swap",
    "tan",
    "tanh",
    "to_bits",
    "trailing_zeros",
    "trunc",
    "wrapping_add",
    "wrapping_mul",
    "wrapping_sub",
];

/// Methods that make iterators whose next item costs nothing.
const ITERATORS: [&str; 21] = [
    "bytes",
    "char_indices",
    "chars",
    "chunks",
    "chunks_exact",
    "chunks_exact_mut",
    "chunks_mut",
    "cloned",
    "copied",
    "enumerate",
    "iter",
    "iter_mut",
    "keys",
    "rev",
    "skip",
    "step_by",
    "take",
    "values",
    "values_mut",
    "windows",
    "zip",
];

/// Literal ranges up to this long are short.
const SHORT: u64 = 4096;

/// Whether the items that a `for` goes over come one after the other without work.
pub fn items(items: &Expr) -> bool {
    match items {
        Expr::Paren(paren) => self::items(&paren.expr),
        Expr::Range(_) => expression(items),
        Expr::MethodCall(call) => {
            let name = call.method.to_string();
            let begins = matches!(
                name.as_str(),
                "bytes"
                    | "char_indices"
                    | "chars"
                    | "chunks"
                    | "chunks_exact"
                    | "chunks_exact_mut"
                    | "chunks_mut"
                    | "iter"
                    | "iter_mut"
                    | "keys"
                    | "values"
                    | "values_mut"
                    | "windows"
            );
            let argument = |argument: &Expr| match argument {
                Expr::Reference(to) => matches!(&*to.expr, Expr::Path(_) | Expr::Field(_)),
                argument => items_or_number(argument),
            };
            ITERATORS.contains(&name.as_str())
                && (begins || self::items(&call.receiver))
                && call.args.iter().all(argument)
        }
        _ => false,
    }
}

fn items_or_number(argument: &Expr) -> bool {
    items(argument) || expression(argument)
}

/// Whether a loop's body has no loop, call or macro but cheap ones.
pub fn body(body: &Block) -> bool {
    let mut search = Search(true);
    search.visit_block(body);
    search.0
}

/// Whether an expression has no loop, call or macro but cheap ones.
pub fn expression(expression: &Expr) -> bool {
    let mut search = Search(true);
    search.visit_expr(expression);
    search.0
}

/// Whether this is a short range of literals: `0..10`.
pub fn short(items: &Expr) -> bool {
    match items {
        Expr::Paren(paren) => short(&paren.expr),
        Expr::Range(range) => {
            match (range.start.as_deref().and_then(number), range.end.as_deref().and_then(number)) {
                (Some(start), Some(end)) => end.saturating_sub(start) <= SHORT,
                _ => false,
            }
        }
        Expr::MethodCall(call) => {
            matches!(call.method.to_string().as_str(), "rev" | "step_by") && short(&call.receiver)
        }
        _ => false,
    }
}

fn number(expression: &Expr) -> Option<u64> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => number.base10_parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

struct Search(bool);

impl<'a> Visit<'a> for Search {
    fn visit_expr(&mut self, node: &'a Expr) {
        match node {
            // `?` is for calls that do more; a closure may be called by anything.
            Expr::ForLoop(_)
            | Expr::While(_)
            | Expr::Loop(_)
            | Expr::Macro(_)
            | Expr::Try(_)
            | Expr::Await(_)
            | Expr::Closure(_)
            | Expr::Async(_)
            | Expr::Yield(_)
            | Expr::Verbatim(_) => self.0 = false,
            Expr::Call(call) => {
                self.0 &= matches!(&*call.func, Expr::Path(path) if is_cheap_path(&path.path));
                visit::visit_expr(self, node);
            }
            Expr::MethodCall(call) => {
                self.0 &= METHODS.contains(&call.method.to_string().as_str());
                visit::visit_expr(self, node);
            }
            _ => visit::visit_expr(self, node),
        }
    }

    fn visit_macro(&mut self, _: &'a syn::Macro) {
        self.0 = false;
    }
}

/// `Some(x)`, `f32::from(x)`.
fn is_cheap_path(path: &syn::Path) -> bool {
    let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["Some" | "Ok" | "Err"] => true,
        [ty, method] => {
            let number = matches!(
                ty,
                "f32"
                    | "f64"
                    | "i8"
                    | "i16"
                    | "i32"
                    | "i64"
                    | "i128"
                    | "isize"
                    | "u8"
                    | "u16"
                    | "u32"
                    | "u64"
                    | "u128"
                    | "usize"
                    | "char"
                    | "bool"
            );
            number && (method == "from" || METHODS.contains(&method))
        }
        _ => false,
    }
}

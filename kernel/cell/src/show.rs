//! How a cell's last expression is shown: rich, else `evcxr_display`, else `Debug`, else its type's name.
//!
//! The choice is made while the cell is compiled, by method resolution: a more wanted form is implemented
//! for more references, and those are tried first (autoref specialisation).

use std::any::type_name;
use std::fmt::{self, Debug, Write};

use sconce::rich::Rich;
use sconce_display::Bundle;
use sconce_display::wire::Frame;

/// Shows the value behind a reference as the cell's result.
#[macro_export]
macro_rules! show {
    ($value:ident) => {{
        #[allow(unused_imports)]
        use $crate::show::{ByDebug as _, ByName as _, ByRich as _, ByUser as _, NoRich as _, NoUser as _};
        if !(&&$crate::show::Of($value)).show_rich() {
            let outcome = $value.evcxr_display();
            (&&&$crate::show::Outcome(outcome, $value)).show_plain();
        }
    }};
}

/// A value that may have a rich form.
pub struct Of<'a, T: ?Sized>(pub &'a T);

/// The value has a rich form.
pub trait ByRich {
    /// Shows it.
    fn show_rich(&self) -> bool;
}

impl<T: Rich> ByRich for &Of<'_, T> {
    fn show_rich(&self) -> bool {
        result(self.0.rich());
        true
    }
}

/// The value has none.
pub trait NoRich {
    /// Says so.
    fn show_rich(&self) -> bool;
}

impl<T: ?Sized> NoRich for Of<'_, T> {
    fn show_rich(&self) -> bool {
        false
    }
}

/// The type has no `evcxr_display` of its own.
pub struct Missing;

/// Stands in for a type's own `evcxr_display`. One reference more than that needs, so that a method of the
/// type's is preferred, and one of a trait that is in scope too.
pub trait NoUser {
    /// Says that there is none.
    fn evcxr_display(&self) -> Missing {
        Missing
    }
}

impl<T: ?Sized> NoUser for &T {}

/// What `evcxr_display` gave, and the value.
pub struct Outcome<'a, R, T: ?Sized>(pub R, pub &'a T);

/// No method of its own, but `Debug`.
pub trait ByDebug {
    /// Shows it.
    fn show_plain(&self);
}

impl<T: Debug + ?Sized> ByDebug for &&Outcome<'_, Missing, T> {
    fn show_plain(&self) {
        if type_name::<T>() != "()" {
            plain(&self.1);
        }
    }
}

/// Not even `Debug`.
pub trait ByName {
    /// Shows the type's name.
    fn show_plain(&self);
}

impl<T: ?Sized> ByName for &Outcome<'_, Missing, T> {
    fn show_plain(&self) {
        named(type_name::<T>());
    }
}

/// The type has shown itself.
pub trait ByUser {
    /// Nothing left to do.
    fn show_plain(&self);
}

impl<R, T: ?Sized> ByUser for Outcome<'_, R, T> {
    fn show_plain(&self) {}
}

// What follows is compiled once, here; what is generic is compiled in every cell, for each type anew.

#[inline(never)]
fn result(bundle: Bundle) {
    sconce_display::send(Frame::Result { bundle });
}

#[inline(never)]
fn plain(value: &dyn Debug) {
    result(Bundle::text(debug(value)));
}

#[inline(never)]
fn named(ty: &str) {
    result(Bundle::text(format!("a value of type {ty}")));
}

/// On one line while it is short, over several while they can be read, else cut.
fn debug(value: &dyn Debug) -> String {
    const LINE: usize = 100;
    const PAGE: usize = 4_000;
    const CUT: usize = 20_000;
    let mut line = Bounded { text: String::new(), room: CUT, cut: false };
    // The only error is `Bounded`'s own, when it is full.
    let _ = write!(line, "{value:?}");
    if line.text.len() <= LINE && !line.cut {
        return line.text;
    }
    let mut page = Bounded { text: String::new(), room: PAGE, cut: false };
    let _ = write!(page, "{value:#?}");
    if !page.cut {
        return page.text;
    }
    if line.cut {
        line.text.push_str(" … (cut: print it with println! to see it whole)");
    }
    line.text
}

struct Bounded {
    text: String,
    room: usize,
    cut: bool,
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = text.floor_char_boundary(text.len().min(self.room));
        self.text.push_str(&text[..end]);
        self.room -= end;
        if end < text.len() {
            self.cut = true;
            return Err(fmt::Error);
        }
        Ok(())
    }
}

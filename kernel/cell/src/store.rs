use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;

// Cells run one after the other on one thread, so values need not be `Send`.
thread_local! {
    static VARIABLES: RefCell<BTreeMap<String, Box<dyn Any>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Keeps a variable for later cells. `key` names one binding: the variable, its cell, its place there.
pub fn put<T: 'static>(key: &str, value: T) {
    keep(key, Box::new(value));
}

/// Hands a variable to a cell.
///
/// # Panics
/// If there is none of that key and type, which the kernel rules out before it compiles the cell.
#[must_use]
pub fn take<T: 'static>(key: &str) -> T {
    match fetch(key).downcast::<T>() {
        Ok(value) => *value,
        Err(value) => {
            keep(key, value);
            refuse(key, std::any::type_name::<T>())
        }
    }
}

// What follows is compiled once, here; what is generic is compiled in every cell, for each type anew.

#[inline(never)]
fn keep(key: &str, value: Box<dyn Any>) {
    let old = VARIABLES.with_borrow_mut(|variables| variables.insert(key.to_owned(), value));
    // Dropped outside the borrow: the old value's `Drop` is the user's code.
    drop(old);
}

#[inline(never)]
fn fetch(key: &str) -> Box<dyn Any> {
    let value = VARIABLES.with_borrow_mut(|variables| variables.remove(key));
    value.unwrap_or_else(|| panic!("variable `{key}` is not in the store"))
}

#[inline(never)]
fn refuse(key: &str, wanted: &str) -> ! {
    panic!("variable `{key}` is not of type {wanted}")
}

/// Drops variables; those that are not there are none's loss.
pub(crate) fn forget(keys: &[String]) {
    for key in keys {
        let old = VARIABLES.with_borrow_mut(|variables| variables.remove(key));
        drop(old);
    }
}

/// The keys of all variables.
pub(crate) fn keys() -> Vec<String> {
    VARIABLES.with_borrow(|variables| variables.keys().cloned().collect())
}

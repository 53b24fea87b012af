use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;

// Cells run one after the other on one thread, so values need not be `Send`.
thread_local! {
    static VARIABLES: RefCell<BTreeMap<String, Box<dyn Any>>> = const { RefCell::new(BTreeMap::new()) };
}

/// Keeps a variable for later cells. `key` names one binding: the variable, its cell, its place there.
pub fn put<T: 'static>(key: &str, value: T) {
    let old = VARIABLES.with_borrow_mut(|variables| variables.insert(key.to_owned(), Box::new(value)));
    // Dropped outside the borrow: the old value's `Drop` is the user's code.
    drop(old);
}

/// Hands a variable to a cell.
///
/// # Panics
/// If there is none of that key and type, which the kernel rules out before it compiles the cell.
#[must_use]
pub fn take<T: 'static>(key: &str) -> T {
    let value = VARIABLES.with_borrow_mut(|variables| variables.remove(key));
    match value.map(|value| value.downcast::<T>()) {
        Some(Ok(value)) => *value,
        Some(Err(value)) => {
            VARIABLES.with_borrow_mut(|variables| variables.insert(key.to_owned(), value));
            panic!("variable `{key}` is not of type {}", std::any::type_name::<T>())
        }
        None => panic!("variable `{key}` is not in the store"),
    }
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

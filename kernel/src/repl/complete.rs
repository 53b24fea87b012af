//! Completion while typing.

/// The name of the menu that Tab opens.
pub const MENU: &str = "completion";

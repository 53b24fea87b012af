//! The numbers of a loop, whatever their type.

/// A number that can be plotted: every whole number and fraction of the language, and references to them.
pub trait Number {
    /// The nearest `f64`.
    fn to_f64(self) -> f64;
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Number for $type {
            fn to_f64(self) -> f64 {
                self as f64
            }
        }

        impl Number for &$type {
            fn to_f64(self) -> f64 {
                *self as f64
            }
        }
    )*};
}

numbers!(f64 f32 u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

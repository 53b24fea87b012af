//! One number of a pixel, whatever its dtype.

/// A byte or a fraction. Strengths and colours are told as fractions, whatever the dtype.
pub(super) trait Value: Copy + Default + PartialOrd + Send + Sync + 'static {
    /// White.
    const UNIT: f32;

    /// On the dtype's own scale.
    fn number(self) -> f32;

    /// From the dtype's own scale. A byte is rounded to the nearest and cut off at 0 and 255; a fraction is
    /// taken as it is.
    fn from_number(number: f32) -> Self;

    /// The number that [`Value::from_number`] would make of this one, for loops over vectors.
    fn settled(number: f32) -> f32;

    /// From a number that is settled.
    fn from_settled(number: f32) -> Self;

    /// From a fraction, 0 black, 1 white.
    fn from_fraction(fraction: f32) -> Self {
        Self::from_number(fraction * Self::UNIT)
    }
}

impl Value for u8 {
    const UNIT: f32 = 255.0;

    #[inline(always)]
    fn number(self) -> f32 {
        f32::from(self)
    }

    #[inline(always)]
    fn from_number(number: f32) -> u8 {
        // The cast rounds toward 0 and cuts off at both ends.
        (number + 0.5) as u8
    }

    #[inline(always)]
    fn settled(number: f32) -> f32 {
        (number + 0.5).clamp(0.0, 255.0).floor()
    }

    #[inline(always)]
    fn from_settled(number: f32) -> u8 {
        // Of a whole number beside 2^23 the last bits are the number; vectors can do this, not the cast.
        (number + 8_388_608.0).to_bits() as u8
    }
}

impl Value for f32 {
    const UNIT: f32 = 1.0;

    #[inline(always)]
    fn number(self) -> f32 {
        self
    }

    #[inline(always)]
    fn from_number(number: f32) -> f32 {
        number
    }

    #[inline(always)]
    fn settled(number: f32) -> f32 {
        number
    }

    #[inline(always)]
    fn from_settled(number: f32) -> f32 {
        number
    }
}

/// A class, which is only ever moved.
impl Value for u16 {
    const UNIT: f32 = 65535.0;

    #[inline(always)]
    fn number(self) -> f32 {
        f32::from(self)
    }

    #[inline(always)]
    fn from_number(number: f32) -> u16 {
        (number + 0.5) as u16
    }

    #[inline(always)]
    fn settled(number: f32) -> f32 {
        (number + 0.5).clamp(0.0, 65535.0).floor()
    }

    #[inline(always)]
    fn from_settled(number: f32) -> u16 {
        number as u16
    }
}

/// Calls `$run` on the numbers of an image, bytes or fractions, and makes an image of `$shape` of the vector
/// that it returns.
macro_rules! on_pixels {
    ($image:expr, $shape:expr, |$values:ident| $run:expr) => {
        match $image.pixels() {
            $crate::data::Pixels::U8($values) => {
                $crate::data::Image::new($shape, $crate::data::Pixels::U8($run))
            }
            $crate::data::Pixels::F32($values) => {
                $crate::data::Image::new($shape, $crate::data::Pixels::F32($run))
            }
        }
    };
}
pub(super) use on_pixels;

//! TIFFs whose pixels are places in a palette, which the decoder of the crate `tiff` refuses. It reads their
//! numbers as grey once the header calls them that; the palette is read here. Source: TIFF 6.0, sections 2, 5
//! and 8 (1992), and the BigTIFF design (2007).

use super::error::{self, Bad};

const BITS_PER_SAMPLE: u16 = 258;
const PHOTOMETRIC: u16 = 262;
const SAMPLES_PER_PIXEL: u16 = 277;
const COLOR_MAP: u16 = 320;
/// Photometric interpretations: black is zero, and places in a palette.
const GREY: u16 = 1;
const PALETTE: u16 = 3;
/// The type of an entry of two-byte numbers.
const SHORT: u16 = 3;

/// The colours that the numbers of a grey image stand for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Palette {
    /// 1 or 8.
    bits: u16,
    colors: Vec<[u8; 3]>,
}

/// The file with its numbers called grey, and the palette that they are places in; `None` for any other TIFF.
pub(super) fn taken_apart(bytes: &[u8]) -> Result<Option<(Vec<u8>, Palette)>, Bad> {
    let Some(tiff) = Tiff::of(bytes) else { return Ok(None) };
    let Some(photometric) = tiff.entry(PHOTOMETRIC).filter(|entry| tiff.short(*entry, 0) == Some(PALETTE))
    else {
        return Ok(None);
    };
    let number = |tag, otherwise| {
        tiff.entry(tag).map_or(Some(otherwise), |entry| tiff.short(entry, 0)).ok_or_else(cut_off)
    };
    let (bits, samples) = (number(BITS_PER_SAMPLE, 1)?, number(SAMPLES_PER_PIXEL, 1)?);
    if !matches!(bits, 1 | 8) || samples != 1 {
        return Err(error::unsupported(format!(
            "a TIFF with a palette and {samples} numbers of {bits} bits a pixel, where one of 8 bits or 1 is read"
        )));
    }
    let count = 1_usize << bits;
    let Some(map) = tiff.entry(COLOR_MAP) else {
        return Err(error::damaged("a TIFF whose pixels are places in a palette, without one".into()));
    };
    if map.kind != SHORT || map.count != 3 * count as u64 {
        return Err(error::damaged(format!("a palette of {} numbers for {count} colours", map.count)));
    }
    let colors = (0..count)
        .map(|color| {
            // All reds come first, then all greens, of 16 bits each.
            let [red, green, blue] = [0, 1, 2].map(|channel| tiff.short(map, channel * count + color));
            Some([red?, green?, blue?].map(|value| (value >> 8) as u8))
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(cut_off)?;
    let mut grey = bytes.to_vec();
    let place = grey.get_mut(photometric.value..).and_then(|rest| rest.get_mut(..2)).ok_or_else(cut_off)?;
    place.copy_from_slice(&if tiff.big_endian { GREY.to_be_bytes() } else { GREY.to_le_bytes() });
    Ok(Some((grey, Palette { bits, colors })))
}

fn cut_off() -> Bad {
    error::truncated("a TIFF whose header ends early".into())
}

impl Palette {
    /// RGB of grey bytes; a grey image of one bit has 0 and 255.
    pub(super) fn colored(&self, grey: &[u8]) -> Vec<u8> {
        let place = |value: u8| usize::from(value >> (8 - self.bits));
        grey.iter().flat_map(|&value| self.colors.get(place(value)).copied().unwrap_or_default()).collect()
    }
}

/// The first directory of a TIFF.
struct Tiff<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    /// Whether places have eight bytes, as in a BigTIFF.
    wide: bool,
    entries: usize,
    count: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    kind: u16,
    count: u64,
    /// Where its values stand.
    value: usize,
}

impl<'a> Tiff<'a> {
    fn of(bytes: &'a [u8]) -> Option<Tiff<'a>> {
        let big_endian = match bytes.get(..2)? {
            b"II" => false,
            b"MM" => true,
            _ => return None,
        };
        let mut tiff = Tiff { bytes, big_endian, wide: false, entries: 0, count: 0 };
        tiff.wide = tiff.number(2, 2)? == 43;
        let (place, size) = if tiff.wide { (8, 8) } else { (4, 4) };
        let directory = usize::try_from(tiff.number(place, size)?).ok()?;
        let size = if tiff.wide { 8 } else { 2 };
        tiff.count = usize::try_from(tiff.number(directory, size)?).ok()?;
        tiff.entries = directory.checked_add(size)?;
        Some(tiff)
    }

    /// The number of `size` bytes, up to 8, at a place.
    fn number(&self, at: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let put = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.big_endian { bytes.iter().fold(0, put) } else { bytes.iter().rev().fold(0, put) })
    }

    fn entry(&self, tag: u16) -> Option<Entry> {
        let (size, word) = if self.wide { (20, 8) } else { (12, 4) };
        for at in 0..self.count {
            let start = self.entries.checked_add(at.checked_mul(size)?)?;
            if self.number(start, 2)? != u64::from(tag) {
                continue;
            }
            let kind = self.number(start + 2, 2)? as u16;
            let count = self.number(start + 4, word)?;
            let value = start + 4 + word;
            // Values that do not fit stand elsewhere.
            let fits = count <= word as u64 / 2;
            let value = if fits { value } else { usize::try_from(self.number(value, word)?).ok()? };
            return Some(Entry { kind, count, value });
        }
        None
    }

    /// A two-byte number of an entry.
    fn short(&self, entry: Entry, at: usize) -> Option<u16> {
        if entry.kind != SHORT || at as u64 >= entry.count {
            return None;
        }
        self.number(entry.value.checked_add(2 * at)?, 2).map(|number| number as u16)
    }
}

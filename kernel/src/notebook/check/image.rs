//! Pictures: what counts is their pixels, not how a compressor wrote them down.

use std::io::Cursor;

/// Larger pictures are compared by their bytes.
const MOST_BYTES: usize = 1 << 28;

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Pixels {
    width: u32,
    height: u32,
    /// Channels of a pixel.
    channels: usize,
    /// 1 or 2, the first byte the higher one.
    bytes_per_channel: usize,
    data: Vec<u8>,
}

/// The pixels of a PNG. Other formats, and files that are broken, are compared by their bytes.
pub(super) fn decode(mime: &str, bytes: &[u8]) -> Option<Pixels> {
    if mime != "image/png" {
        return None;
    }
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    // Palettes and packed bits become channels of whole bytes; 16 bits stay what they are.
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().ok()?;
    let size = reader.output_buffer_size().filter(|size| *size <= MOST_BYTES)?;
    let mut data = vec![0; size];
    let info = reader.next_frame(&mut data).ok()?;
    data.truncate(info.buffer_size());
    let bytes_per_channel = if info.bit_depth == png::BitDepth::Sixteen { 2 } else { 1 };
    let channels = info.color_type.samples();
    Some(Pixels { width: info.width, height: info.height, channels, bytes_per_channel, data })
}

impl Pixels {
    pub(super) fn size(&self) -> String {
        format!("{}×{} pixels", self.width, self.height)
    }

    /// How another picture differs, in a sentence.
    pub(super) fn difference(&self, fresh: &Pixels) -> String {
        if (self.width, self.height) != (fresh.width, fresh.height) {
            return format!("{} stored, {} now", self.size(), fresh.size());
        }
        let form = |pixels: &Pixels| (pixels.channels, pixels.bytes_per_channel);
        if form(self) != form(fresh) {
            let tell = |pixels: &Pixels| {
                format!("{} channels of {} bits", pixels.channels, 8 * pixels.bytes_per_channel)
            };
            return format!("{} stored, {} now", tell(self), tell(fresh));
        }
        let pixel = self.channels * self.bytes_per_channel;
        let pairs = self.data.chunks_exact(pixel).zip(fresh.data.chunks_exact(pixel));
        let differing: Vec<_> = pairs.filter(|(old, new)| old != new).collect();
        let channels = differing.iter().flat_map(|(old, new)| {
            old.chunks_exact(self.bytes_per_channel).zip(new.chunks_exact(self.bytes_per_channel))
        });
        let most = channels.map(|(old, new)| value(old).abs_diff(value(new))).max().unwrap_or_default();
        let range = if self.bytes_per_channel == 2 { u16::MAX } else { u16::from(u8::MAX) };
        format!(
            "{}: {} of {} pixels differ, by up to {most} of {range}",
            self.size(),
            differing.len(),
            u64::from(self.width) * u64::from(self.height),
        )
    }
}

fn value(channel: &[u8]) -> u16 {
    channel.iter().fold(0, |value, byte| value << 8 | u16::from(*byte))
}

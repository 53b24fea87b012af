//! The messages of event files in the wire format of protocol buffers.
//!
//! Source: `event.proto`, `summary.proto`, `tensor.proto` and `plugin_data.proto` (of hparams) of TensorBoard, whose field numbers stand here.

/// What an event tells.
pub(super) enum What<'a> {
    /// The first event of each file.
    FileVersion,
    Scalar {
        tag: &'a str,
        value: f32,
    },
    /// A PNG.
    Image {
        tag: &'a str,
        /// Height and width.
        size: [usize; 2],
        /// 1 of grey, 3 of colour.
        channels: u64,
        png: &'a [u8],
    },
    /// Text, shown as Markdown.
    Text {
        tag: &'a str,
        text: &'a str,
    },
    /// What the run was made with, for the table of hyperparameters; numbers as such, everything else as text.
    Settings(&'a [(String, String)]),
    /// Training starts here once more: what other files have from this step on does not count.
    Restart,
}

/// An event in bytes; the time is in seconds since 1970.
pub(super) fn event(time: f64, step: u64, what: &What) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, time);
    if step > 0 {
        event.whole(2, step);
    }
    match what {
        What::FileVersion => event.bytes(3, b"brain.Event:2"),
        What::Scalar { tag, value } => {
            let mut summary = Message::default();
            summary.bytes(1, tag.as_bytes());
            summary.float(2, *value);
            event.message(5, &wrapped(1, summary));
        }
        What::Image { tag, size, channels, png } => {
            let mut image = Message::default();
            image.whole(1, size[0] as u64);
            image.whole(2, size[1] as u64);
            image.whole(3, *channels);
            image.bytes(4, png);
            let mut summary = Message::default();
            summary.bytes(1, tag.as_bytes());
            summary.message(4, &image);
            event.message(5, &wrapped(1, summary));
        }
        What::Text { tag, text } => {
            const STRING: u64 = 7;
            let mut size = Message::default();
            size.whole(1, 1);
            let mut tensor = Message::default();
            tensor.whole(1, STRING);
            tensor.message(2, &wrapped(2, size));
            tensor.bytes(8, text.as_bytes());
            let mut plugin = Message::default();
            plugin.bytes(1, b"text");
            let mut summary = Message::default();
            summary.bytes(1, tag.as_bytes());
            summary.message(8, &tensor);
            summary.message(9, &wrapped(1, plugin));
            event.message(5, &wrapped(1, summary));
        }
        What::Settings(settings) => {
            let mut info = Message::default();
            for (name, text) in *settings {
                let mut value = Message::default();
                match text.parse::<f64>() {
                    Ok(number) if number.is_finite() => value.double(2, number),
                    _ => value.bytes(3, text.as_bytes()),
                }
                let mut entry = Message::default();
                entry.bytes(1, name.as_bytes());
                entry.message(2, &value);
                info.message(1, &entry);
            }
            info.double(5, time);
            let mut plugin = Message::default();
            plugin.bytes(1, b"hparams");
            plugin.message(2, &wrapped(3, info));
            let mut summary = Message::default();
            summary.bytes(1, b"_hparams_/session_start_info");
            summary.message(9, &wrapped(1, plugin));
            event.message(5, &wrapped(1, summary));
        }
        What::Restart => {
            const START: u64 = 1;
            let mut session = Message::default();
            session.whole(1, START);
            event.message(7, &session);
        }
    }
    event.0
}

/// A message whose only field is this one.
fn wrapped(field: u64, inner: Message) -> Message {
    let mut outer = Message::default();
    outer.message(field, &inner);
    outer
}

/// The bytes of a message: each field is its number and kind, then its value.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    const VARINT: u64 = 0;
    const EIGHT_BYTES: u64 = 1;
    const LENGTH: u64 = 2;
    const FOUR_BYTES: u64 = 5;

    fn key(&mut self, field: u64, kind: u64) {
        self.varint(field << 3 | kind);
    }

    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn whole(&mut self, field: u64, value: u64) {
        self.key(field, Message::VARINT);
        self.varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, Message::EIGHT_BYTES);
        self.0.extend(value.to_le_bytes());
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, Message::FOUR_BYTES);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, Message::LENGTH);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn message(&mut self, field: u64, message: &Message) {
        self.bytes(field, &message.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::framed;
    use super::*;

    fn hex(what: &What, time: f64, step: u64) -> String {
        framed(&event(time, step, what)).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What `RecordWriter` and the messages of the Python package tensorboard 2.21 write for the same.
    #[test]
    fn records_are_those_of_tensorboards_own_writer() {
        let version = "1800000000000000a37f4b220900001040fc54d9411a0d627261696e2e4576656e743a32338d2fe9";
        assert_eq!(hex(&What::FileVersion, 1_700_000_000.25, 0), version);
        let scalar = "2100000000000000017becf60900002040fc54d94110ac022a130a110a0a747261696e2f6c6f737315cdcccc3d2e3967e5";
        let loss = What::Scalar { tag: "train/loss", value: 0.1 };
        assert_eq!(hex(&loss, 1_700_000_000.5, 300), scalar);
        let zero = "1500000000000000d6ab6b2b0900002040fc54d9412a0a0a080a016115000000007bcb44c9";
        assert_eq!(hex(&What::Scalar { tag: "a", value: 0.0 }, 1_700_000_000.5, 0), zero);
        let infinite = "1800000000000000a37f4b220900002040fc54d94110012a0b0a090a02c3a9150000807f517a3b8b";
        assert_eq!(hex(&What::Scalar { tag: "é", value: f32::INFINITY }, 1_700_000_000.5, 1), infinite);
        let text = "34000000000000005e33175c0900008040fc54d9412a290a270a06636f6e6669674213080712041202080142092a2a68656c6c6f2a2a4a080a060a0474657874ed0c4b19";
        assert_eq!(hex(&What::Text { tag: "config", text: "**hello**" }, 1_700_000_002.0, 0), text);
        let settings = |name: &str, value: &str| {
            hex(&What::Settings(&[(name.to_owned(), value.to_owned())]), 1_700_000_003.0, 0)
        };
        assert_eq!(
            settings("lr", "0.5"),
            "56000000000000004e2de2b2090000c040fc54d9412a4b0a490a1c5f68706172616d735f2f73657373696f6e5f73746172745f696e666f4a290a270a0768706172616d73121c1a1a0a0f0a026c72120911000000000000e03f290000c040fc54d94187897260"
        );
        assert_eq!(
            settings("opt", "adam"),
            "54000000000000005f514587090000c040fc54d9412a490a470a1c5f68706172616d735f2f73657373696f6e5f73746172745f696e666f4a270a250a0768706172616d73121a1a180a0d0a036f707412061a046164616d290000c040fc54d941bfd619b3"
        );
        let restart = "0f000000000000006d532b09090000c040fc54d94110283a0208019cbde8e6";
        assert_eq!(hex(&What::Restart, 1_700_000_003.0, 40), restart);
    }

    #[test]
    fn an_image_is_that_of_tensorboards_own_writer() {
        let png: Vec<u8> = (0..200).collect();
        let image = What::Image { tag: "x", size: [2, 300], channels: 3, png: &png };
        let before =
            "e9000000000000003533f4890900004040fc54d94110072adb010ad8010a017822d201080210ac02180322c801";
        let bytes: String = png.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex(&image, 1_700_000_001.0, 7), format!("{before}{bytes}e9974db5"));
    }
}

//! Bytes of a worker's stdout or stderr as text, and the content blocks of the stock kernel in it.

use sconce_display::{Bundle, Content};

use super::Output;

const BEGIN: &str = "EVCXR_BEGIN_CONTENT";
const END: &str = "EVCXR_END_CONTENT";

/// Bytes as they come, as text: a character that is cut waits for its rest.
#[derive(Debug, Default)]
pub struct Decoder {
    rest: Vec<u8>,
}

impl Decoder {
    /// The text that is whole now. What is not UTF-8 becomes U+FFFD.
    pub fn decode(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let cut = match std::str::from_utf8(&self.rest) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.rest.len(),
        };
        let whole: Vec<u8> = self.rest.drain(..cut).collect();
        String::from_utf8_lossy(&whole).into_owned()
    }

    /// What is left when nothing more comes.
    pub fn finish(&mut self) -> String {
        let rest = std::mem::take(&mut self.rest);
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// Finds `EVCXR_BEGIN_CONTENT mime … EVCXR_END_CONTENT` in text as it comes.
#[derive(Debug, Default)]
pub struct ContentBlocks {
    /// Text that may belong to a marker or a block.
    held: String,
    /// Whether what comes next goes on with a line.
    inside_line: bool,
    /// A block has just ended, and the line break after it is still to come.
    after_block: bool,
}

impl ContentBlocks {
    /// Takes text and hands on what is known.
    pub fn push(&mut self, text: &str, emit: &mut dyn FnMut(Output)) {
        let text = if std::mem::take(&mut self.after_block) {
            text.strip_prefix('\n').unwrap_or(text)
        } else {
            text
        };
        if self.held.is_empty() && !text.contains('E') {
            // By far the most text.
            self.plain(text.to_owned(), emit);
            return;
        }
        self.held.push_str(text);
        loop {
            match self.find(BEGIN) {
                Found::At(start) => {
                    let before: String = self.held.drain(..start).collect();
                    self.plain(before, emit);
                    let Some(block) = self.block() else { return };
                    emit(Output::Display { id: None, bundle: block });
                }
                Found::Perhaps(start) => {
                    let before: String = self.held.drain(..start).collect();
                    self.plain(before, emit);
                    return;
                }
                Found::No => {
                    let all = std::mem::take(&mut self.held);
                    self.plain(all, emit);
                    return;
                }
            }
        }
    }

    /// Hands on what waits, when nothing more comes.
    pub fn finish(&mut self, emit: &mut dyn FnMut(Output)) {
        let rest = std::mem::take(&mut self.held);
        self.plain(rest, emit);
        self.inside_line = false;
    }

    fn plain(&mut self, text: String, emit: &mut dyn FnMut(Output)) {
        if !text.is_empty() {
            self.inside_line = !text.ends_with('\n');
            emit(Output::Stdout(text));
        }
    }

    /// A marker at the beginning of a line.
    fn find(&self, marker: &str) -> Found {
        let mut start = 0;
        if self.inside_line {
            match self.held.find('\n') {
                Some(at) => start = at + 1,
                None => return Found::No,
            }
        }
        loop {
            let line = &self.held[start..];
            if line.starts_with(marker) {
                return Found::At(start);
            }
            match line.find('\n') {
                Some(at) => start += at + 1,
                None if !line.is_empty() && marker.starts_with(line) => return Found::Perhaps(start),
                None => return Found::No,
            }
        }
    }

    /// The block that `held` begins with, once it is whole.
    fn block(&mut self) -> Option<Bundle> {
        let line = self.held.find('\n')?;
        let mime = self.held[BEGIN.len()..line].trim().to_owned();
        let end = self.held[line..].find(END)? + line;
        // The line that ends the block goes with it.
        let after = end + END.len();
        let next = self.held[after..].find('\n').map_or(self.held.len(), |at| after + at + 1);
        self.after_block = !self.held[after..next].ends_with('\n');
        let content = self.held.get(line + 1..end).unwrap_or_default().trim_end_matches('\n').to_owned();
        self.held.drain(..next);
        let content = if mime == "application/json" || mime.ends_with("+json") {
            Content::Json(content)
        } else {
            Content::Text(content)
        };
        Some(Bundle::default().with(mime, content))
    }
}

enum Found {
    At(usize),
    Perhaps(usize),
    No,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(chunks: &[&str]) -> Vec<Output> {
        let mut outputs = Vec::new();
        let mut blocks = ContentBlocks::default();
        for chunk in chunks {
            blocks.push(chunk, &mut |output| outputs.push(output));
        }
        blocks.finish(&mut |output| outputs.push(output));
        outputs
    }

    #[test]
    fn blocks_become_displays_wherever_the_text_is_cut() {
        let text = "a\nEVCXR_BEGIN_CONTENT text/html\n<b>x</b>\nEVCXR_END_CONTENT\nb EVCXR_BEGIN_CONTENT\n";
        let wanted = run(&[text]);
        let block = Bundle::default().with("text/html", Content::Text("<b>x</b>".into()));
        assert_eq!(
            wanted,
            [
                Output::Stdout("a\n".into()),
                Output::Display { id: None, bundle: block },
                Output::Stdout("b EVCXR_BEGIN_CONTENT\n".into())
            ]
        );
        for cut in 1..text.len() {
            let outputs = run(&[&text[..cut], &text[cut..]]);
            let displays = outputs.iter().filter(|output| matches!(output, Output::Display { .. })).count();
            let printed: String = outputs
                .iter()
                .map(|output| if let Output::Stdout(text) = output { text.as_str() } else { "" })
                .collect();
            assert_eq!((displays, printed.as_str()), (1, "a\nb EVCXR_BEGIN_CONTENT\n"), "cut at {cut}");
        }
    }

    #[test]
    fn cut_characters_wait_for_their_rest() {
        let mut decoder = Decoder::default();
        let bytes = "aé€".as_bytes();
        let text: String = bytes.iter().map(|byte| decoder.decode(&[*byte])).collect();
        assert_eq!(text, "aé€");
        assert_eq!(decoder.decode(&[b'x', 0xff, b'y']), "x\u{fffd}y");
        decoder.decode(&[0xe2]);
        assert_eq!(decoder.finish(), "\u{fffd}");
    }
}

//! Colours of a terminal in text: taken out, or turned into HTML.

/// The text without escape sequences.
#[must_use]
pub fn stripped(text: &str) -> String {
    pieces(text)
        .filter_map(|piece| match piece {
            Piece::Text(text) => Some(text),
            Piece::Style(_) | Piece::Other => None,
        })
        .collect()
}

/// What text with escape sequences is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Text to show.
    Text(&'a str),
    /// The parameters of `ESC [ … m`, which sets colours.
    Style(&'a str),
    /// Any other sequence.
    Other,
}

/// Takes text apart; a sequence that is cut off at the end counts as one.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, left) = match rest.strip_prefix('\u{1b}') {
            _ if rest.is_empty() => return None,
            None => {
                let (text, left) = rest.split_at(rest.find('\u{1b}').unwrap_or(rest.len()));
                (Piece::Text(text), left)
            }
            Some(sequence) => take_sequence(sequence),
        };
        rest = left;
        Some(piece)
    })
}

/// Takes the sequence after an `ESC` off the front of `text`.
fn take_sequence(text: &str) -> (Piece<'_>, &str) {
    if let Some(body) = text.strip_prefix('[') {
        // Parameters and intermediates, then one final character.
        let end = body.find(|char| !(' '..='?').contains(&char)).unwrap_or(body.len());
        let left = &body[end..];
        return match left.chars().next() {
            Some('m') => (Piece::Style(&body[..end]), &left[1..]),
            Some(last) if ('@'..='~').contains(&last) => (Piece::Other, &left[1..]),
            _ => (Piece::Other, left),
        };
    }
    if let Some(body) = text.strip_prefix(']') {
        // A title or a link, up to BEL or ESC \.
        let end = body.find(['\u{7}', '\u{1b}']).unwrap_or(body.len());
        let left = &body[end..];
        let left = left.strip_prefix('\u{7}').or_else(|| left.strip_prefix("\u{1b}\\")).unwrap_or(left);
        return (Piece::Other, left);
    }
    let mut chars = text.chars();
    match chars.next() {
        Some('@'..='~' | ' '..='/' | '0'..='9') => (Piece::Other, chars.as_str()),
        _ => (Piece::Other, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_taken_out_and_text_stays() {
        assert_eq!(stripped("plain ä\n"), "plain ä\n");
        assert_eq!(stripped("\u{1b}[1;31merror\u{1b}[0m: x\u{1b}[K"), "error: x");
        assert_eq!(stripped("\u{1b}]8;;https://x.y\u{1b}\\link\u{1b}]8;;\u{7}!"), "link!");
        assert_eq!(stripped("a\u{1b}"), "a");
        assert_eq!(stripped("a\u{1b}[31"), "a");
        assert_eq!(stripped("a\u{1b}[ä"), "aä", "what is no sequence is not swallowed");
        assert_eq!(pieces("\u{1b}[1;32mx").collect::<Vec<_>>(), [Piece::Style("1;32"), Piece::Text("x")]);
    }
}

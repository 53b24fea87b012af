#![allow(clippy::unwrap_used)]
//! What is written for a picture is read back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use icy_sixel::SixelImage;
use resvg::tiny_skia::Pixmap;

use super::*;

const CELL: CellSize = CellSize { width: 8, height: 16 };
const SIZE: Size = Size { columns: 80, rows: 25 };

/// Half red, half blue, as `width` times `height` CSS pixels.
fn svg(width: u32, height: u32) -> Bundle {
    let half = width / 2;
    Bundle::text("a picture").svg(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\">\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#f00\"/>\
         <rect x=\"{half}\" width=\"{half}\" height=\"{height}\" fill=\"#00f\"/></svg>"
    ))
}

fn drawn(protocol: Protocol, bundle: &Bundle) -> Drawn {
    Pictures::new(protocol, CELL).draw(bundle, SIZE).unwrap()
}

/// The pixels between the rows that are made and the way back.
fn placed(content: &str, rows: usize) -> &str {
    let start = format!("{}\u{1b}[{rows}A\u{1b}7", "\n".repeat(rows));
    let end = format!("\u{1b}8\u{1b}[{rows}B\r");
    content
        .strip_prefix(&start)
        .and_then(|rest| rest.strip_suffix(&end))
        .unwrap_or_else(|| panic!("{content:?}"))
}

fn assert_red_and_blue(pixels: &Pixmap) {
    assert_eq!((pixels.width(), pixels.height()), (160, 64));
    let color = |x, y| {
        let color = pixels.pixel(x, y).unwrap();
        (color.red(), color.green(), color.blue(), color.alpha())
    };
    assert_eq!(color(10, 10), (255, 0, 0, 255));
    assert_eq!(color(150, 50), (0, 0, 255, 255));
}

#[test]
fn kitty_gets_a_png_in_pieces() {
    let drawn = drawn(Protocol::Kitty, &svg(160, 64));
    let mut encoded = String::new();
    let pieces: Vec<&str> = placed(&drawn.content, 4).split_inclusive("\u{1b}\\").collect();
    for (index, piece) in pieces.iter().enumerate() {
        let piece = piece.strip_prefix("\u{1b}_G").unwrap().strip_suffix("\u{1b}\\").unwrap();
        let (control, data) = piece.split_once(';').unwrap();
        let more = if index + 1 < pieces.len() { "m=1" } else { "m=0" };
        assert!(control.ends_with(more), "{control}");
        assert!(data.len() <= 4096);
        if index == 0 {
            assert!(control.contains("a=T,f=100,") && control.contains(",c=20,r=4,C=1,"), "{control}");
        }
        encoded.push_str(data);
    }
    assert_red_and_blue(&Pixmap::decode_png(&STANDARD.decode(encoded).unwrap()).unwrap());
    let number = drawn.removal.strip_prefix("\u{1b}_Ga=d,d=I,i=").unwrap().split(',').next().unwrap();
    assert!(pieces[0].contains(&format!(",i={number},")));
}

#[test]
fn iterm_gets_a_png() {
    let drawn = drawn(Protocol::Iterm, &svg(160, 64));
    let sequence = placed(&drawn.content, 4).strip_prefix("\u{1b}]1337;File=").unwrap();
    let (arguments, encoded) = sequence.strip_suffix('\u{7}').unwrap().split_once(':').unwrap();
    assert_eq!(arguments, "inline=1;width=20;height=4;preserveAspectRatio=0");
    assert_red_and_blue(&Pixmap::decode_png(&STANDARD.decode(encoded).unwrap()).unwrap());
    assert_eq!(drawn.removal, "");
}

#[test]
fn sixels_decode_to_the_picture() {
    let drawn = drawn(Protocol::Sixel, &svg(160, 64));
    let image = SixelImage::decode(placed(&drawn.content, 4).as_bytes()).unwrap();
    assert_eq!(image.dimensions(), (160, 66), "whole bands of six rows; what is too much is transparent");
    assert_eq!(image.pixels[(65 * 160 + 10) * 4 + 3], 0);
    let pixel = |x: usize, y: usize| &image.pixels[(y * 160 + x) * 4..][..3];
    assert_eq!(pixel(10, 10), [255, 0, 0]);
    assert_eq!(pixel(150, 50), [0, 0, 255]);
}

#[test]
fn large_pictures_become_as_large_as_the_terminal() {
    let drawn = drawn(Protocol::Iterm, &svg(6400, 640));
    assert!(
        drawn.content.contains(";width=80;height=4;"),
        "all columns, and a tenth of them in rows of half a width"
    );
    let drawn = self::drawn(Protocol::Iterm, &svg(640, 6400));
    assert!(drawn.content.contains(";width=5;height=24;"), "all rows but the prompt's");
}

#[test]
fn raster_formats_are_drawn_in_their_own_size() {
    let mut pixels = Pixmap::new(160, 64).unwrap();
    pixels.fill(resvg::tiny_skia::Color::from_rgba8(255, 0, 0, 255));
    let bundle = Bundle::text("t").png(pixels.encode_png().unwrap());
    assert!(drawn(Protocol::Iterm, &bundle).content.contains(";width=20;height=4;"));
    let bundle = bundle.meta("image/png", "{\"width\": 80}");
    assert!(drawn(Protocol::Iterm, &bundle).content.contains(";width=10;height=2;"));
}

#[test]
fn a_picture_that_cannot_be_drawn_is_named() {
    for bundle in [
        Bundle::text("t").svg("<svg"),
        Bundle::text("t").png(vec![1, 2, 3]),
        Bundle::text("t").svg("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"0\" height=\"0\"/>"),
    ] {
        let drawn = drawn(Protocol::Kitty, &bundle);
        assert!(drawn.content.starts_with("[a picture could not be drawn: the image/"), "{}", drawn.content);
    }
}

#[test]
fn text_is_drawn_with_whatever_font_there_is() {
    let bundle = Bundle::text("t").svg(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"80\" height=\"32\">\
         <text x=\"4\" y=\"24\" font-size=\"20\" font-family=\"No Such Font, sans-serif\">word</text></svg>",
    );
    let drawn = drawn(Protocol::Iterm, &bundle);
    if drawn.content.contains("no fonts were found") {
        return; // it has been said, and there is nothing to draw with
    }
    let (_, encoded) = placed(&drawn.content, 2).split_once(':').unwrap();
    let pixels = Pixmap::decode_png(&STANDARD.decode(encoded.trim_end_matches('\u{7}')).unwrap()).unwrap();
    assert!(pixels.pixels().iter().any(|pixel| pixel.alpha() > 128), "the text is missing");
}

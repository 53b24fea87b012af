//! Drawings within HTML.

use sconce::plot::{ConfusionMatrix, HeatMap, ImageGrid};
use sconce::rich::Rich;

use super::{grid, image_of, learning};

/// JupyterLab drops SVG of its own from a notebook that it does not trust, but keeps images in HTML.
#[test]
fn every_drawing_stands_in_html() {
    let matrix = ConfusionMatrix::new(&["cat", "<dog>"], &[8, 2, 1, 9]).unwrap();
    let map = HeatMap::new([1, 2], &[0.0, 1.0]).unwrap().title("a \"map\"");
    let grid = grid(&["a", "b"]).title("two").note("0 is black");
    let empty = ImageGrid::new();
    let drawings: [(&dyn Rich, String, &[&str]); 5] = [
        (&matrix, matrix.svg().unwrap(), &["text/plain", "text/html"]),
        (&learning(), learning().svg().unwrap(), &["text/plain", "text/html"]),
        (&empty, empty.svg().unwrap(), &["text/plain", "text/html"]),
        (&grid, grid.svg().unwrap(), &["text/plain", "text/html", "image/png"]),
        (&map, map.svg().unwrap(), &["text/plain", "text/html", "image/png"]),
    ];
    for (drawing, svg, mimes) in drawings {
        let bundle = drawing.rich();
        let (description, shown) = image_of(&bundle);
        assert_eq!(shown, svg);
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&description), words(bundle.plain().unwrap()));
        assert_eq!(bundle.forms.iter().map(|(mime, _)| mime.as_str()).collect::<Vec<_>>(), mimes);
    }
}

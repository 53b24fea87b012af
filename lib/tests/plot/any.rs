//! Any input gives a well-formed document.

use proptest::prelude::*;
use sconce::plot::{Bars, ConfusionMatrix, Curves, HeatMap, ImageGrid, Table};

use super::{grid, ramp, texts};

proptest! {
    // A case that fails is made smaller for a minute at most: with pictures that could go on for long.
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_time: 60_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gives_a_document(text in any::<String>(), other in "\\PC{0,80}|[<>&'\"\u{0}-\u{1f}\u{fffe}]{0,9}") {
        let words = [text.as_str(), other.as_str()];
        texts(&grid(&words).title(&text).note(&other).svg().unwrap());
        texts(&HeatMap::new([1, 1], &[0.0]).unwrap().title(&text).x_label(&other).y_label(&text).svg().unwrap());
        let curves = Curves::new(&text).x_label(&other).y_label(&text).series(&other, &[(0.0, 1.0)]).series(&text, &[]);
        texts(&curves.svg().unwrap());
        texts(&ConfusionMatrix::new(&words, &[1, 2, 3, 4]).unwrap().svg().unwrap());
        let bars = Bars::new(&text).bar(&other, 1.0, &text).unwrap().gap(&other).mark(0.5, &text).unwrap();
        texts(&bars.svg().unwrap());
        roxmltree::Document::parse(&Table::new(&words).row(&words).html()).unwrap();
    }

    #[test]
    fn any_points_give_a_document(points in prop::collection::vec(any::<(f64, f64)>(), 0..50)) {
        let svg = Curves::new("").series("s", &points).svg().unwrap();
        texts(&svg);
    }

    /// No bar is longer than there is room, and of two the longer one is of the larger amount.
    #[test]
    fn any_amounts_give_bars(amounts in prop::collection::vec(0.0..f64::MAX, 0..20), mark in 0.0..f64::MAX) {
        let mut bars = Bars::new("amounts").mark(mark, "mark").unwrap();
        for amount in &amounts {
            bars = bars.bar("x", *amount, &amount.to_string()).unwrap();
        }
        let svg = bars.svg().unwrap();
        texts(&svg);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let lengths: Vec<f64> = document
            .descendants()
            .filter(|node| node.has_tag_name("rect") && node.parent().unwrap().has_tag_name("g"))
            .map(|rect| rect.attribute("width").unwrap().parse().unwrap())
            .collect();
        prop_assert_eq!(lengths.len(), amounts.len());
        for (length, amount) in lengths.iter().zip(&amounts) {
            prop_assert!((0.0..=360.0).contains(length));
            let shorter = lengths.iter().zip(&amounts).all(|(other, less)| less > amount || other <= length);
            prop_assert!(shorter);
        }
    }

    #[test]
    fn any_picture_size_fits_a_grid(sizes in prop::collection::vec((1..300_usize, 1..300_usize), 1..12)) {
        let mut grid = ImageGrid::new();
        for (height, width) in &sizes {
            grid.push(ramp([*height, *width], 0), "x");
        }
        prop_assert_eq!(texts(&grid.svg().unwrap()).len(), sizes.len());
        prop_assert!(grid.picture().is_some());
    }
}

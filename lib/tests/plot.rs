//! Pictures from plain data: what they say and show, and that any input gives a well-formed document.
#![allow(clippy::unwrap_used)]

#[path = "plot/any.rs"]
mod any;
#[path = "plot/confusion.rs"]
mod confusion;
#[path = "plot/curves.rs"]
mod curves;
#[path = "plot/distributions.rs"]
mod distributions;
#[path = "plot/drawing.rs"]
mod drawing;
#[path = "plot/html.rs"]
mod html_form;
#[path = "plot/reliability.rs"]
mod reliability;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sconce::plot::{Bars, ConfusionMatrix, Curves, HeatMap, ImageGrid, Panels, Picture, Table, ValueRange};
use sconce::rich::Rich;
use sconce_display::{Bundle, Content};

/// The text of an SVG's elements, after a check that it is one.
fn texts(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).unwrap_or_else(|error| panic!("{error} in\n{svg}"));
    assert_eq!(document.root_element().tag_name().name(), "svg");
    let nodes = document.descendants().filter(|node| node.has_tag_name("text"));
    nodes.filter_map(|node| node.text()).map(|text| text.trim().to_owned()).collect()
}

fn html(bundle: &Bundle) -> &str {
    let html = bundle.forms.iter().find_map(|(mime, content)| match content {
        Content::Text(html) if mime == "text/html" => Some(html.as_str()),
        _ => None,
    });
    html.unwrap()
}

/// What the HTML form's one image says and shows: its description and its SVG.
fn image_of(bundle: &Bundle) -> (String, String) {
    let html = html(bundle).replace("\">", "\"/>");
    let document = roxmltree::Document::parse(&html);
    let document = document.unwrap_or_else(|error| panic!("{error} in\n{html}"));
    let image = document.root_element();
    let encoded = image.attribute("src").unwrap().strip_prefix("data:image/svg+xml;base64,").unwrap();
    let svg = String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap();
    (image.attribute("alt").unwrap().to_owned(), svg)
}

fn decoded(png: &[u8]) -> image::DynamicImage {
    image::load_from_memory_with_format(png, image::ImageFormat::Png).unwrap()
}

/// A grey picture whose pixels count up from `start`.
fn ramp(size: [usize; 2], start: u8) -> Picture {
    let pixels = (0..size[0] * size[1]).map(|at| start.wrapping_add((at * 16) as u8)).collect();
    Picture::grey(size, pixels).unwrap()
}

fn grid(captions: &[&str]) -> ImageGrid {
    let mut grid = ImageGrid::new();
    for (at, caption) in captions.iter().enumerate() {
        grid.push(ramp([4, 4], at as u8), caption);
    }
    grid
}

#[test]
fn a_picture_is_its_pixels() {
    let picture = Picture::rgb([1, 2], vec![255, 0, 0, 0, 0, 255]).unwrap();
    let png = decoded(&picture.png().unwrap()).to_rgb8();
    assert_eq!((png.dimensions(), png.into_raw()), ((2, 1), vec![255, 0, 0, 0, 0, 255]));
    let large = picture.enlarged(2);
    assert_eq!(
        (large.size(), &large.pixels()[..12]),
        ([2, 4], &[255, 0, 0, 255, 0, 0, 0, 0, 255, 0, 0, 255][..])
    );
    assert_eq!(large.reduced(2).pixels(), picture.pixels());
    assert_eq!(ramp([4, 4], 0).reduced(1).pixels(), [120]);
    assert_eq!(ramp([100, 1], 0).reduced(10).size(), [10, 1]);
    assert_eq!(ramp([2, 2], 0).reduced(0).size(), [1, 1]);
    assert_eq!(ramp([8, 8], 0).visible().size(), [192, 192]);
    assert_eq!(ramp([300, 3], 0).visible().size(), [300, 3]);
}

#[test]
fn pictures_that_cannot_be_are_refused() {
    let errors = [
        Picture::grey([2, 2], vec![0; 3]).unwrap_err(),
        Picture::rgb([2, 2], vec![0; 4]).unwrap_err(),
        Picture::grey([0, 2], vec![]).unwrap_err(),
        Picture::grey([usize::MAX, 2], vec![0; 4]).unwrap_err(),
        Picture::from_values([2, 1, 1], &[0.0, 0.0], ValueRange::Unit).unwrap_err(),
        Picture::from_values([1, 1, 1], &[0.0, 0.0], ValueRange::Unit).unwrap_err(),
        Picture::from_values([3, usize::MAX, usize::MAX], &[0.0], ValueRange::Unit).unwrap_err(),
        HeatMap::new([2, 2], &[0.0; 3]).unwrap_err(),
        HeatMap::new([0, 0], &[]).unwrap_err(),
        ConfusionMatrix::new(&["a", "b"], &[1; 3]).unwrap_err(),
        ConfusionMatrix::new::<&str>(&[], &[]).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("expected"), "{error}");
    }
}

#[test]
fn values_become_levels() {
    let level = |values: &[f32], range| {
        Picture::from_values([1, 1, values.len()], values, range).unwrap().pixels().to_vec()
    };
    assert_eq!(level(&[0.0, 0.5, 1.0, 2.0, -1.0], ValueRange::Unit), [0, 128, 255, 255, 0]);
    assert_eq!(level(&[-2.0, 0.0, 2.0], ValueRange::Data), [0, 128, 255]);
    assert_eq!(level(&[7.0, 7.0], ValueRange::Data), [0, 0]);
    assert_eq!(level(&[1.0, 3.0], ValueRange::Between { black: 3.0, white: 1.0 }), [255, 0]);
    assert_eq!(level(&[-f32::MAX, f32::MAX], ValueRange::Data), [0, 255]);
    // What is not finite is red, in a picture that was grey.
    assert_eq!(level(&[1.0, f32::NAN], ValueRange::Unit), [255, 255, 255, 214, 39, 40]);
    let rgb = Picture::from_values([3, 1, 2], &[0.0, 1.0, 0.5, 0.5, 1.0, 0.0], ValueRange::Unit).unwrap();
    assert_eq!(rgb.pixels(), [0, 128, 255, 255, 128, 0]);
}

#[test]
fn a_grid_stands_in_rows() {
    let grid = grid(&["0", "1", "2", "3", "4"]).columns(3).title("five").note("0 is black");
    insta::assert_snapshot!("grid_text", grid.text());
    insta::assert_snapshot!("grid_svg", grid.svg().unwrap());
    let png = decoded(&grid.png().unwrap());
    // 4 pixels at factor 18, gaps of 4.
    assert_eq!((png.width(), png.height()), (3 * 72 + 2 * 4, 2 * 72 + 4));
    assert_eq!(texts(&grid.svg().unwrap()), ["five", "0", "1", "2", "3", "4", "0 is black"]);
}

#[test]
fn pictures_of_a_grid_keep_their_proportions() {
    let mut grid = ImageGrid::new();
    grid.push(Picture::rgb([1000, 2000], vec![9; 6_000_000]).unwrap(), "wide");
    grid.push(ramp([500, 500], 0), "square");
    let picture = grid.picture().unwrap();
    assert_eq!(picture.size(), [112, 224 + 4 + 224]);
    let svg = grid.svg().unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let images: Vec<_> = document.descendants().filter(|node| node.has_tag_name("image")).collect();
    let side = |at: usize, name| images[at].attribute(name).unwrap().parse::<f64>().unwrap();
    assert_eq!(
        [side(0, "width"), side(0, "height"), side(1, "width"), side(1, "height")],
        [224.0, 112.0, 56.0, 56.0]
    );
    assert!(svg.len() < 100_000, "{} bytes", svg.len());
}

#[test]
fn a_grid_of_none_and_of_many() {
    let empty = ImageGrid::new();
    assert_eq!(texts(&empty.svg().unwrap()), ["no pictures"]);
    assert!(empty.png().is_err() && empty.picture().is_none());
    assert_eq!(empty.rich().plain().unwrap(), "0 pictures\nno pictures\n");
    let many = grid(&["x"; 300]);
    assert!(many.text().ends_with("and 44 more\n"));
    assert_eq!(texts(&many.svg().unwrap()).len(), 257);
}

#[test]
fn a_heat_map_has_a_scale() {
    let values: Vec<f32> = (0..12).map(|value| value as f32).collect();
    let map = HeatMap::new([3, 4], &values).unwrap().title("a < b").x_label("column").y_label("row");
    insta::assert_snapshot!("heat_map_text", map.text());
    insta::assert_snapshot!("heat_map_svg", map.svg().unwrap());
    let picture = map.picture().unwrap();
    assert_eq!((picture.size(), &picture.pixels()[..3]), ([3, 4], &[68, 1, 84][..]));
    let labels = texts(&map.svg().unwrap());
    for label in ["a < b", "row", "column", "11", "5.5", "0", "3", "2"] {
        assert!(labels.iter().any(|text| text == label), "{label} in {labels:?}");
    }
}

#[test]
fn heat_maps_of_awkward_values() {
    let cases: [(&str, [usize; 2], Vec<f32>); 6] = [
        ("one value", [1, 1], vec![3.0]),
        ("nothing finite", [2, 2], vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]),
        ("the greatest span", [1, 3], vec![f32::MIN, 0.0, f32::MAX]),
        ("a tall column", [5000, 1], vec![1.0; 5000]),
        ("a wide row", [1, 5000], (0..5000).map(|value| value as f32).collect()),
        ("many", [600, 700], (0..420_000).map(|value| (value % 977) as f32).collect()),
    ];
    for (what, size, values) in cases {
        let map = HeatMap::new(size, &values).unwrap().title(what);
        let svg = map.svg().unwrap();
        assert!(texts(&svg)[0].contains(what.split(' ').next().unwrap()), "{what}");
        assert!(svg.len() < 150_000 && map.text().len() < 2000, "{what}: {} bytes", svg.len());
        assert!(!svg.contains("NaN\"") && !svg.contains("inf\""), "{what} has a length that is none:\n{svg}");
    }
    // One bad value among 4 x 4 marks its cell.
    let mut values = vec![0.0; 1024 * 1024];
    values[1024 * 1024 - 1] = f32::NAN;
    let picture = HeatMap::new([1024, 1024], &values).unwrap().picture().unwrap();
    assert_eq!(
        (picture.size(), &picture.pixels()[picture.pixels().len() - 6..]),
        ([256, 256], &[35, 145, 140, 214, 39, 40][..])
    );
}

fn learning() -> Curves {
    let train: Vec<(f64, f64)> = (1..=8).map(|epoch| (f64::from(epoch), 2.4 / f64::from(epoch))).collect();
    let valid: Vec<(f64, f64)> = train.iter().map(|&(epoch, loss)| (epoch, loss + 0.1)).collect();
    Curves::new("loss")
        .x_label("epoch")
        .y_label("cross-entropy")
        .series("train", &train)
        .series("valid", &valid)
}

#[test]
fn curves_have_axes_and_names() {
    insta::assert_snapshot!("curves_text", learning().text());
    insta::assert_snapshot!("curves_svg", learning().svg().unwrap());
    let labels = texts(&learning().svg().unwrap());
    for label in ["loss", "train", "valid", "epoch", "cross-entropy", "1", "8"] {
        assert!(labels.iter().any(|text| text == label), "{label} in {labels:?}");
    }
}

#[test]
fn curves_of_awkward_points() {
    let inf = f64::INFINITY;
    let cases: [(&str, Vec<(f64, f64)>); 12] = [
        ("none", vec![]),
        ("one", vec![(1.0, 2.0)]),
        ("one far out", vec![(1e300, 1e300)]),
        ("constant", vec![(0.0, 0.0), (1.0, 0.0)]),
        ("nothing finite", vec![(f64::NAN, 1.0), (1.0, inf)]),
        ("a gap", vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0), (3.0, -inf), (4.0, 1.0)]),
        ("the greatest span", vec![(0.0, f64::MIN), (1.0, f64::MAX)]),
        ("the greatest in x", vec![(f64::MIN, 0.0), (f64::MAX, 1.0)]),
        ("the same but for rounding", vec![(7.54, 14.91), (7.540000000000001, 14.910000000000002)]),
        ("next to nothing", vec![(0.0, 0.0), (5e-324, f64::MIN_POSITIVE)]),
        ("the smallest span", vec![(0.0, 1.0), (f64::MIN_POSITIVE, 1.0 + f64::EPSILON)]),
        ("back in x", vec![(3.0, 1.0), (1.0, 2.0), (3.0, 3.0)]),
    ];
    for (name, points) in cases {
        let curves = Curves::new("").series(name, &points);
        let texts = texts(&curves.svg().unwrap());
        assert!(texts.contains(&name.to_owned()), "{name}");
        // The name, and at most a few ticks of each axis.
        assert!(texts.len() < 30, "{name}: {texts:?}");
        assert!(curves.text().contains(name));
    }
    assert!(texts(&Curves::new("").svg().unwrap()).contains(&"no points yet".to_owned()));
    let ranged = learning().y_range(0.0..100.0);
    assert!(texts(&ranged.svg().unwrap()).contains(&"100".to_owned()));
    let all = learning().y_range(f64::MIN..f64::MAX);
    assert!(texts(&all.svg().unwrap()).contains(&"0".to_owned()));
    // Far outside the range, in a series that is dashed: drawn at the frame, not dash by dash to the moon.
    let dashed = (0..9).fold(Curves::new("").y_range(0.0..1.0), |curves, series| {
        curves.series(&series.to_string(), &[(0.0, 0.5), (1.0, 1e300)])
    });
    assert!(dashed.svg().unwrap().len() < 100_000);
    assert_eq!(learning().y_range(1.0..1.0), learning());
    assert_eq!(learning().y_range(f64::NAN..1.0), learning());
}

#[test]
fn long_curves_stay_small_and_keep_their_peak() {
    let points: Vec<(f64, f64)> = (0..200_000)
        .map(|step| (f64::from(step), if step == 77_777 { 9.0 } else { f64::from(step % 10) / 10.0 }))
        .collect();
    let curves = Curves::new("steps").series("loss", &points);
    let svg = curves.svg().unwrap();
    assert!(svg.len() < 40_000, "{} bytes", svg.len());
    let document = roxmltree::Document::parse(&svg).unwrap();
    let series = document.descendants().filter(|node| node.attribute("stroke") == Some("#0072B2"));
    let heights: Vec<i32> = series
        .filter_map(|node| node.attribute("points"))
        .flat_map(|points| {
            points.split_whitespace().map(|point| point.split(',').nth(1).unwrap().parse().unwrap())
        })
        .collect();
    let (top, bottom) = (heights.iter().min().unwrap(), heights.iter().max().unwrap());
    // The peak is ten times as high as all else.
    assert!(bottom - top > 400, "from {top} to {bottom}");
    assert!(curves.text().lines().count() < 30);
}

#[test]
fn panels_stand_side_by_side() {
    let panels = learning().beside(Curves::new("accuracy").series("valid", &[(1.0, 0.5), (2.0, 0.75)]));
    let svg = panels.svg().unwrap();
    assert!(svg.contains("width=\"880\" height=\"300\""));
    let labels = texts(&svg);
    assert!(labels.contains(&"loss".to_owned()) && labels.contains(&"accuracy".to_owned()));
    assert!(panels.text().contains("accuracy\n"));
    // In HTML each by itself, so that they stand below each other in a narrow window.
    let bundle = panels.rich();
    let html = html(&bundle);
    for part in ["flex-wrap:wrap", "<img alt=\"loss; ", "<img alt=\"accuracy; "] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert_eq!(html.matches("<img ").count(), 2);
    assert!(texts(&Panels::new(vec![]).svg().unwrap()).is_empty());
    assert!(Panels::new(vec![learning(); 7]).svg().unwrap().contains("width=\"1320\" height=\"900\""));
}

#[test]
fn many_series_are_told_apart() {
    let mut curves = Curves::new("");
    for series in 0..20 {
        curves = curves.series(&format!("series number {series}"), &[(0.0, f64::from(series)), (1.0, 0.0)]);
    }
    let labels = texts(&curves.svg().unwrap());
    assert!((0..20).all(|series| labels.contains(&format!("series number {series}"))));
}

#[test]
fn a_confusion_matrix_counts() {
    let matrix = ConfusionMatrix::new(&["cat", "dog", "<owl>"], &[8, 2, 0, 1, 9, 0, 0, 0, 0]).unwrap();
    assert!((matrix.accuracy() - 0.85).abs() < 1e-12);
    assert_eq!(matrix.confused(), [("cat", "dog", 2), ("dog", "cat", 1)]);
    insta::assert_snapshot!("confusion_text", matrix.text());
    insta::assert_snapshot!("confusion_svg", matrix.svg().unwrap());
    assert!(texts(&matrix.svg().unwrap()).contains(&"<owl>".to_owned()));
    assert_eq!(matrix.picture().unwrap().size(), [3, 3]);
}

#[test]
fn confusion_matrices_of_any_size() {
    for classes in [1, 2, 13, 21, 61, 1000] {
        let names: Vec<String> =
            (0..classes).map(|class| format!("a class with the number {class}")).collect();
        let mut counts: Vec<u64> = (0..classes * classes).map(|at| (at % 7 == 0).into()).collect();
        counts[0] = u64::MAX;
        let matrix = ConfusionMatrix::new(&names, &counts).unwrap();
        let svg = matrix.svg().unwrap();
        assert!(texts(&svg)[0].starts_with("confusion matrix"), "{classes}");
        assert!(matrix.text().len() < 20_000 && svg.len() < 1_000_000, "{classes}: {} bytes", svg.len());
    }
    let empty = ConfusionMatrix::new(&["a"], &[0]).unwrap();
    assert!(empty.accuracy().is_nan() && empty.text().contains("no images"));
}

#[test]
fn tables_line_up() {
    let table = Table::new(&["name", "count", "share"])
        .row(&["a", "1,200", "98.3 %"])
        .row(&["länger", "-3", "—"])
        .row(&["<b>"]);
    insta::assert_snapshot!("table_text", table.text());
    let html = table.html();
    assert!(html.contains("&lt;b&gt;") && html.matches("<td").count() == 9);
    roxmltree::Document::parse(&html).unwrap();
    let wider = Table::new(&["a"]).row(&["1", "2"]);
    assert_eq!((wider.text().lines().last().unwrap(), wider.len()), ("1  2", 1));
    assert_eq!(Table::new(&[]).text(), "\n\n");
}

#[test]
fn the_ending_of_a_file_tells_its_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let pictures = grid(&["a"]);
    pictures.save(path("grid.svg")).unwrap();
    assert_eq!(std::fs::read_to_string(path("grid.svg")).unwrap(), pictures.svg().unwrap());
    pictures.save(path("grid.PNG")).unwrap();
    assert_eq!(decoded(&std::fs::read(path("grid.PNG")).unwrap()).width(), 192);
    learning().save(path("curves.svg")).unwrap();

    for name in ["grid.jpg", "grid", ".svg"] {
        let error = pictures.save(path(name)).unwrap_err().to_string();
        assert!(error.contains(".svg or .png") && error.contains(name), "{error}");
    }
    let error = learning().save(path("curves.png")).unwrap_err().to_string();
    assert!(error.contains("ends with .svg, got") && error.contains("curves.png"), "{error}");
    let error = pictures.save(path("missing/grid.svg")).unwrap_err().to_string();
    assert!(error.starts_with("write ") && error.contains("grid.svg"), "{error}");
}

#[test]
fn the_same_data_give_the_same_bytes() {
    assert_eq!(learning().svg().unwrap(), learning().svg().unwrap());
    assert_eq!(grid(&["a", "b"]).rich(), grid(&["a", "b"]).rich());
}

#[test]
fn bars_are_as_long_as_their_amounts() {
    let bars =
        Bars::new("images").bar("cat", 30.0, "30").unwrap().gap("2 others").bar("dog", 15.0, "15").unwrap();
    let bars = bars.mark(20.0, "mean").unwrap();
    assert_eq!(
        bars.text(),
        "images\n--------  --  --------------------\ncat       30  ████████████████████\n2 others\ndog       15  ██████████\nmean: 20\n"
    );
    let (description, svg) = image_of(&bars.rich());
    assert!(description.starts_with("images"), "{description}");
    assert_eq!(texts(&svg), ["images", "cat", "30", "2 others", "dog", "15", "mean"]);
    for amount in [-1.0, f64::NAN, f64::INFINITY] {
        let error = Bars::new("").bar("a", amount, "").unwrap_err().to_string();
        assert!(error.contains("0 or more") && error.contains(&amount.to_string()), "{error}");
    }
    assert!(Bars::new("").mark(-0.1, "").is_err());
    // Nothing, and nothing but zeros, are drawn too.
    for bars in [Bars::new(""), Bars::new("").bar("a", 0.0, "0").unwrap()] {
        texts(&bars.svg().unwrap());
    }
}

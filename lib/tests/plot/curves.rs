//! Curves that are smoothed, logarithmic, or of several runs.

use sconce::plot::{Curves, Panels};

use super::{learning, texts};

/// The points of each polyline of some colour: at half pixels.
fn lines(svg: &str, color: &str) -> Vec<Vec<[i32; 2]>> {
    let document = roxmltree::Document::parse(svg).unwrap();
    let lines = document.descendants().filter(|node| node.has_tag_name("polyline"));
    let lines = lines.filter(|node| {
        node.attribute("stroke") == Some(color) && node.attribute("stroke-width") == Some("4")
    });
    let number = |text: &str| text.parse::<i32>().unwrap();
    let point = |text: &str| {
        let (x, y) = text.split_once(',').unwrap();
        [number(x), number(y)]
    };
    lines.map(|node| node.attribute("points").unwrap().split_whitespace().map(point).collect()).collect()
}

#[test]
fn on_a_logarithmic_axis_equal_ratios_are_equal_distances() {
    let points = [(1.0, 1000.0), (2.0, 100.0), (3.0, 10.0), (4.0, 0.0), (5.0, 1.0), (6.0, -3.0), (7.0, 0.1)];
    let curves = Curves::new("loss").series("train", &points).logarithmic_y();
    let svg = curves.svg().unwrap();
    let labels = texts(&svg);
    for label in ["0.1", "1", "10", "100", "1000"] {
        assert!(labels.iter().any(|text| text == label), "{label} in {labels:?}");
    }
    let lines = lines(&svg, "#0072B2");
    let heights: Vec<i32> = lines[0].iter().map(|[_, y]| *y).collect();
    assert_eq!(heights.len(), 3, "what is not above 0 leaves a gap");
    assert!(((heights[1] - heights[0]) - (heights[2] - heights[1])).abs() <= 1, "{heights:?}");
    assert!(curves.text().contains("(y is logarithmic; 2 not above 0 left out)"), "{}", curves.text());
    assert!(svg.contains("y is logarithmic; 2 not above 0 left out\""));
    // 1000 to 0.1 in one line of text: equal steps, too.
    assert!(curves.text().contains("train  █▆▅·▃·▁"), "{}", curves.text());
    // Where there are few powers of ten, other round numbers stand between them.
    for (ends, labels) in [((3.0, 40.0), ["5", "10", "20"]), ((0.42, 0.58), ["0.45", "0.5", "0.55"])] {
        let narrow = Curves::new("").series("s", &[(0.0, ends.0), (1.0, ends.1)]).logarithmic_y();
        let shown = texts(&narrow.svg().unwrap());
        assert!(labels.iter().all(|label| shown.contains(&(*label).to_owned())), "{labels:?} in {shown:?}");
    }
    // A range that has no place there is left aside; nothing at all can be drawn, too.
    assert_eq!(curves.clone().y_range(0.0..10.0).svg().unwrap(), svg);
    assert_ne!(curves.y_range(1.0..10.0).svg().unwrap(), svg);
    let none = Curves::new("").series("none", &[(1.0, -1.0)]).logarithmic_y();
    assert!(texts(&none.svg().unwrap()).contains(&"no points yet".to_owned()));
    for ends in [(f64::MIN_POSITIVE, f64::MAX), (5e-324, 1e-323), (1.0, 1.0)] {
        let curves = Curves::new("").series("s", &[(0.0, ends.0), (1.0, ends.1)]).logarithmic_y();
        let labels = texts(&curves.svg().unwrap());
        assert!(labels.len() < 30 && labels.len() > 2, "{ends:?}: {labels:?}");
    }
}

#[test]
fn an_average_is_drawn_over_a_faint_curve() {
    let points: Vec<(f64, f64)> = (0..10).map(|at| (f64::from(at), f64::from(at % 2))).collect();
    let plain = Curves::new("loss").series("train", &points);
    let smoothed = plain.clone().smoothed(0.9);
    let svg = smoothed.svg().unwrap();
    let lines = lines(&svg, "#0072B2");
    assert_eq!(lines.len(), 2);
    assert!(svg.contains("opacity=\"0.3\""));
    let height = |line: &[[i32; 2]]| {
        line.iter().map(|[_, y]| *y).max().unwrap() - line.iter().map(|[_, y]| *y).min().unwrap()
    };
    assert!(height(&lines[1]) < height(&lines[0]) * 3 / 4, "{lines:?}");
    let text = smoothed.text();
    assert!(text.starts_with("loss\n(smoothed: the exponential average with weight 0.9)\n"), "{text}");
    // The average of the even steps' 0 and the odd ones' 1, debiased: 0.1 * sum 0.9^(9 - i) of odd i / (1 - 0.9^10).
    let expected = (0..10).filter(|at| at % 2 == 1).map(|at| 0.1 * 0.9_f64.powi(9 - at)).sum::<f64>()
        / (1.0 - 0.9_f64.powi(10));
    assert!(text.contains(&format!("ends at {expected:.4}")), "{expected} in {text}");
    assert!(svg.contains(&format!("smoothed {expected:.4}; smoothed: the exponential average")), "{svg}");
    // The table holds what was measured.
    assert!(text.lines().last().unwrap().ends_with(" 1"), "{text}");
    for weight in [0.0, 1.0, -0.5, 1.5, f64::NAN] {
        assert_eq!(plain.clone().smoothed(weight), plain, "{weight}");
    }
}

#[test]
fn an_average_has_room_below_what_a_logarithmic_axis_shows() {
    // The axis knows only the ones; the average of them and the zeros is a quarter.
    let points: Vec<(f64, f64)> =
        (0..400).map(|at| (f64::from(at), f64::from(u8::from(at % 4 == 0)))).collect();
    let svg = Curves::new("loss").series("train", &points).smoothed(0.9).logarithmic_y().svg().unwrap();
    let lines = lines(&svg, "#0072B2");
    let heights = |line: &[[i32; 2]]| line.iter().map(|[_, y]| *y).collect::<Vec<i32>>();
    let average = heights(lines.last().unwrap());
    // It begins at 1 and comes down, by far more than a line is thick.
    assert!(average.last().unwrap() - average[0] > 100, "{average:?}");
}

#[test]
fn where_a_curve_goes_back_the_table_has_what_came_last() {
    let text = Curves::new("loss").series("train", &[(1.0, 5.0), (2.0, 4.0), (1.0, 3.0), (2.0, 2.0)]).text();
    assert!(text.ends_with("1      3\n2      2\n"), "{text}");
}

#[test]
fn a_legend_leaves_room_for_the_plot() {
    let names: Vec<String> = (0..40).map(|at| format!("a run with a name of many letters, {at}")).collect();
    let curves =
        names.iter().fold(Curves::new("loss"), |curves, name| curves.series(name, &[(1.0, 1.0), (2.0, 0.5)]));
    let svg = curves.svg().unwrap();
    let labels = texts(&svg);
    assert!(labels.iter().any(|label| label == "…"), "{labels:?}");
    let line = lines(&svg, "#0072B2").remove(0);
    assert!((line[1][1] - line[0][1]) > 200, "{line:?}");
    assert!(curves.text().contains(&names[39]));
}

#[test]
fn several_runs_share_a_plot() {
    let rate = |last| Curves::new("learning rate").series("learning rate", &[(1.0, 0.1), (2.0, last)]);
    let first = learning().beside(rate(0.01));
    let second = Panels::new(vec![Curves::new("loss").series("train", &[(1.0, 3.0), (9.0, 0.2)]), rate(0.5)]);
    let both = Panels::of_runs(&[("a", first), ("<b>", second)]);
    assert_eq!(both.len(), 3);
    let labels = texts(&both.svg().unwrap());
    for (label, times) in
        [("train loss", 1), ("valid loss", 1), ("learning rate", 1), ("a", 3), ("<b>", 2), ("epoch", 2)]
    {
        assert_eq!(labels.iter().filter(|text| *text == label).count(), times, "{label} in {labels:?}");
    }
    let text = both.clone().smoothed(0.5).logarithmic_y().text();
    assert_eq!(
        text.matches("(smoothed: the exponential average with weight 0.5)\n(y is logarithmic)").count(),
        3
    );
    assert_eq!(
        both.clone().only(&["learning rate", "train loss"]).unwrap().text().matches("train loss").count(),
        1
    );
    let error = both.only(&["los"]).unwrap_err().to_string();
    assert!(error.contains("train loss, valid loss, learning rate") && error.contains("\"los\""), "{error}");
    assert!(Panels::of_runs(&[]).is_empty());
}

//! Histograms, histograms over time and groups of points.

use sconce::plot::{Histogram, HistogramsOverTime, Panels, Scatter};
use sconce::rich::Rich;

use super::{image_of, texts};

#[test]
fn a_histogram_counts_as_numpy_does() {
    // numpy.histogram([-1, 0, 0.25, 0.5, 0.5, 0.74, 1], 4)
    let histogram = Histogram::of(&[-1.0, 0.0, 0.25, 0.5, 0.5, 0.74, 1.0], 4).unwrap();
    assert_eq!(histogram.edges(), [-1.0, -0.5, 0.0, 0.5, 1.0]);
    assert_eq!(histogram.counts(), [1, 0, 2, 4]);
    assert_eq!((histogram.total(), histogram.not_finite()), (7, 0));
    assert_eq!([0.0, 1.0].map(|part| histogram.quantile(part)), [Some(-1.0), Some(1.0)]);
    // 3.5 values: the three before it, and an eighth of the last bin.
    assert_eq!(histogram.quantile(0.5), Some(0.5625));
    assert_eq!(histogram.quantile(1.5), None);
    let again = Histogram::from_counts(histogram.edges(), histogram.counts()).unwrap();
    assert_eq!(again.quantile(0.5), histogram.quantile(0.5));
    assert_eq!(
        histogram.title("scores").text(),
        "scores\n7 values from -1 to 1, median about 0.5625\n\
         from    to  values\n----  ----  ------  --------------------\n  -1  -0.5       1  █████\n-0.5     0       0\n   \
         0   0.5       2  ██████████\n 0.5     1       4  ████████████████████\n"
    );
}

#[test]
fn histograms_of_awkward_values() {
    let inf = f64::INFINITY;
    let cases: [(&[f64], &str); 7] = [
        (&[], "no finite values"),
        (&[f64::NAN, inf, -inf], "no finite values; 1 NaN and 2 infinite left out"),
        (&[3.0], "1 value, all 3"),
        (&[0.0; 5], "5 values, all 0"),
        (&[1e300, f64::NAN, 1e300], "2 values, all 1e300; 1 NaN left out"),
        (&[f64::MIN, f64::MAX], "2 values from -1.798e308 to 1.798e308"),
        (&[1.0, 1.0 + f64::EPSILON], "2 values from 1 to 1"),
    ];
    for (values, words) in cases {
        let histogram = Histogram::of(values, 10).unwrap();
        let finite = values.iter().filter(|value| value.is_finite()).count() as u64;
        assert_eq!(histogram.total(), finite, "{words}");
        assert!(histogram.text().contains(words), "{words} in {}", histogram.text());
        let (description, svg) = image_of(&histogram.rich());
        assert!(description.contains(words), "{words} in {description}");
        assert!(texts(&svg).len() < 30 && !svg.contains("NaN,") && !svg.contains("inf,"), "{words}");
        assert!(svg.contains(&format!("aria-label=\"histogram: {words}")), "{words}");
    }
    for bins in [0, 1001, usize::MAX] {
        let error = Histogram::of(&[1.0], bins).unwrap_err().to_string();
        assert!(error.contains("1 to 1000 bins") && error.contains(&bins.to_string()), "{error}");
    }
    let wrong: [(&[f64], &[u64]); 5] = [
        (&[], &[]),
        (&[0.0, 1.0], &[]),
        (&[0.0, 1.0], &[1, 2]),
        (&[1.0, 0.0], &[1]),
        (&[0.0, f64::INFINITY], &[1]),
    ];
    for (edges, counts) in wrong {
        assert!(Histogram::from_counts(edges, counts).is_err(), "{edges:?} {counts:?}");
    }
    let most = Histogram::of(&(0..100_000).map(f64::from).collect::<Vec<_>>(), 1000).unwrap();
    assert!(most.svg().unwrap().len() < 50_000 && most.text().lines().count() < 30);
}

fn widening(steps: u32) -> HistogramsOverTime {
    let mut over_time = HistogramsOverTime::new("weights");
    for step in 0..steps {
        let values: Vec<f64> = (0..=100).map(|at| f64::from(at * (step + 1)) / 100.0).collect();
        over_time.push(f64::from(step), Histogram::of(&values, 50).unwrap());
    }
    over_time
}

#[test]
fn distributions_over_steps_are_bands_around_the_median() {
    let over_time = widening(3);
    let text = over_time.text();
    let last: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(last[..2], ["2", "0"]);
    assert!((last[3].parse::<f64>().unwrap() - 1.5).abs() < 0.02 && last[5] == "3", "{last:?}");
    let svg = over_time.svg().unwrap();
    assert_eq!(svg.matches("<polygon").count(), 4);
    assert!(svg.contains("aria-label=\"weights: histograms at 3 steps; at step 2 from 0 to 3"), "{svg}");
}

#[test]
fn histograms_over_time_of_awkward_steps() {
    let mut empty = HistogramsOverTime::new("");
    assert!(empty.text().contains("no histograms yet"));
    assert!(texts(&empty.svg().unwrap()).contains(&"no histograms yet".to_owned()));
    empty.push(1.0, Histogram::of(&[f64::NAN], 3).unwrap());
    empty.push(f64::NAN, Histogram::of(&[1.0], 3).unwrap());
    assert!(texts(&empty.svg().unwrap()).contains(&"no finite values".to_owned()));
    let text = empty.text();
    assert!(text.contains("1 NaN or infinite values left out, at 1 step"), "{text}");
    assert!(text.contains("1 left out whose step is not finite"), "{text}");

    // Any order; a gap in the middle; values that are all the same stay a line.
    let mut constant = HistogramsOverTime::new("bias");
    for step in [3.0, 1.0, 2.0, 5.0] {
        constant.push(step, Histogram::of(&[0.0; 4], 30).unwrap());
    }
    constant.push(4.0, Histogram::of(&[], 30).unwrap());
    let steps: Vec<String> =
        constant.text().lines().skip(3).map(|line| line.trim().chars().take(1).collect()).collect();
    assert_eq!(steps, ["1", "2", "3", "4", "5"]);
    assert!(constant.text().lines().nth(3).unwrap().split_whitespace().skip(1).all(|value| value == "0"));
    // Two stretches of four bands.
    assert_eq!(constant.svg().unwrap().matches("<polygon").count(), 8);
}

#[test]
fn many_steps_stay_small_and_keep_their_extremes() {
    let mut long = HistogramsOverTime::new("long");
    for step in 0..20_000 {
        let value = if step == 7777 { 1000.0 } else { 1.0 };
        long.push(f64::from(step), Histogram::of(&[0.0, 0.5, value], 20).unwrap());
    }
    let svg = long.svg().unwrap();
    assert!(svg.len() < 40_000, "{} bytes", svg.len());
    assert!(texts(&svg).contains(&"1000".to_owned()), "the peak is drawn");
    assert!(
        svg.contains("each band stands for 100 steps")
            && long.text().contains("each band stands for 100 steps")
    );
    assert!(long.text().lines().count() < 30);
    let panels = Panels::histograms(vec![long; 30]);
    let svg = panels.svg().unwrap();
    assert!(svg.len() < 400_000, "{} bytes", svg.len());
    assert!(texts(&svg).iter().filter(|text| *text == "long").count() == 30);
    assert_eq!(panels.text().matches("long\n").count(), 30);
}

#[test]
fn groups_of_points_have_colours_names_and_counts() {
    let plot = Scatter::new("embeddings").x_label("first").y_label("second");
    let plot = plot.points("cat", &[(0.0, 1.0), (2.0, 3.0)]).points("<dog>", &[(5.0, f64::NAN), (4.0, 4.0)]);
    assert_eq!(
        plot.text(),
        "embeddings\ngroup  points  first   second\n-----  ------  ------  ------  ---------------------\n\
         cat         2  0 to 2  1 to 3\n<dog>       2  4       4       1 not finite left out\n"
    );
    let svg = plot.svg().unwrap();
    let labels = texts(&svg);
    for label in ["embeddings", "cat", "<dog>", "first", "second"] {
        assert!(labels.iter().any(|text| text == label), "{label} in {labels:?}");
    }
    assert!(svg.contains("aria-label=\"embeddings: cat 2, &lt;dog&gt; 2 (1 not finite left out)\""), "{svg}");
    let document = roxmltree::Document::parse(&svg).unwrap();
    let dots: Vec<usize> = document
        .descendants()
        .filter(|node| node.has_tag_name("path"))
        .map(|path| path.attribute("d").unwrap().matches('M').count())
        .collect();
    assert_eq!(dots, [2, 1]);
}

#[test]
fn a_scatter_of_awkward_points() {
    let inf = f64::INFINITY;
    let cases: [&[(f64, f64)]; 6] = [
        &[],
        &[(f64::NAN, inf)],
        &[(3.0, 3.0); 4],
        &[(f64::MIN, f64::MIN), (f64::MAX, f64::MAX)],
        &[(0.0, 0.0), (5e-324, 5e-324)],
        &[(-1.0, 0.0)],
    ];
    for points in cases {
        let plain = Scatter::new("").points("", points).line("border", &[(0.0, 0.0), (1.0, 1.0), (inf, 2.0)]);
        for plot in [plain.clone(), plain.logarithmic_x().logarithmic_y()] {
            let svg = plot.svg().unwrap();
            assert!(texts(&svg).len() < 40 && !svg.contains("NaN"), "{points:?}");
            assert!(plot.text().contains("border"));
        }
    }
    assert!(texts(&Scatter::new("").svg().unwrap()).contains(&"no points".to_owned()));
    let left = Scatter::new("").logarithmic_x().points("a", &[(0.0, 1.0), (-1.0, 1.0), (1.0, 1.0)]);
    assert!(left.text().contains("2 not above 0 left out"), "{}", left.text());
    let many = (0..3000)
        .fold(Scatter::new("many"), |plot, at| plot.points(&at.to_string(), &[(f64::from(at), 0.0)]));
    let svg = many.svg().unwrap();
    assert!(
        svg.len() < 1_000_000 && texts(&svg).contains(&"and 2960 more".to_owned()),
        "{} bytes",
        svg.len()
    );
    assert!(many.text().contains("and 2,980 more groups"));
}

#[test]
fn a_million_points_stay_a_small_picture() {
    let mut random = sconce::Seed(1).rng();
    let mut cloud = |shift: f64| -> Vec<(f64, f64)> {
        (0..100_000).map(|_| (random.normal() + shift, random.normal() - shift)).collect()
    };
    let mut plot = Scatter::new("a million");
    for group in 0..10 {
        plot = plot.points(&format!("group {group}"), &cloud(f64::from(group)));
    }
    // One far away is drawn whatever is left out.
    let plot = plot.points("far", &[(100.0, 100.0)]);
    let svg = plot.svg().unwrap();
    assert!(svg.len() < 200_000, "{} bytes", svg.len());
    let note = "1,000,001 points, drawn with at most 5,000: one where several lie on each other";
    assert!(texts(&svg).contains(&note.to_owned()) && plot.text().contains(note));
    let document = roxmltree::Document::parse(&svg).unwrap();
    let dots = document.descendants().filter(|node| node.has_tag_name("path"));
    let dots: Vec<usize> = dots.map(|path| path.attribute("d").unwrap().matches("M").count()).collect();
    assert_eq!((dots.len(), dots[10]), (11, 1));
    assert!(
        dots.iter().all(|dots| *dots > 0) && (2000..=5000).contains(&dots.iter().sum::<usize>()),
        "{dots:?}"
    );
}

//! Plots and pictures of plain numbers.

use sconce::plot::{
    Annotated, Bars, ConfusionMatrix, Curves, Diagram, DiagramBox, HeatMap, Histogram, HistogramsOverTime,
    ImageGrid, Mark, MarkPoint, Overlay, OverlayScale, Panels, Picture, PointLook, ReliabilityBin,
    ReliabilityDiagram, Scatter, StandsFor, Table,
};
use sconce::plot::{Drawing, drawing};
use sconce::plotters::prelude::{BLUE, ChartBuilder, LineSeries};
use sconce::prelude::*;

/// A grey picture of a slope with a bright disc.
fn disc(side: usize) -> Result<Picture> {
    let middle = side as f64 * 0.4;
    let pixel = |at: usize| {
        let (row, column) = (at / side, at % side);
        let away = ((row as f64 - middle).powi(2) + (column as f64 - middle).powi(2)).sqrt();
        if away < side as f64 * 0.25 { 230 } else { (40 + 100 * (row + column) / (2 * side)) as u8 }
    };
    Picture::grey([side, side], (0..side * side).map(pixel).collect())
}

/// A picture of pixels.
pub fn picture() -> Result<Picture> {
    disc(24)
}

/// Several pictures with captions.
pub fn image_grid() -> Result<ImageGrid> {
    let mut grid = ImageGrid::new().columns(4).title("discs").note("black 0 to white 1");
    for side in [8, 12, 16, 24, 32, 48] {
        grid.push(disc(side)?, &format!("{side} pixels a side"));
    }
    Ok(grid)
}

/// A matrix in colours, with a value that is none.
pub fn heat_map() -> Result<HeatMap> {
    let mut values: Vec<f32> = (0..60).map(|at| ((at % 10) * (at / 10)) as f32 / 4.0).collect();
    values[34] = f32::NAN;
    Ok(HeatMap::new([6, 10], &values)?.title("a table of products").x_label("column").y_label("row"))
}

/// Two losses over epochs.
pub fn curves() -> Result<Curves> {
    let train: Vec<(f64, f64)> = (1..=12).map(|epoch| (f64::from(epoch), 2.4 / f64::from(epoch))).collect();
    let valid: Vec<(f64, f64)> = train.iter().map(|&(epoch, loss)| (epoch, loss + 0.02 * epoch)).collect();
    let curves = Curves::new("loss").x_label("epoch").y_label("cross-entropy");
    Ok(curves.series("train", &train).series("valid", &valid))
}

/// Plots beside each other.
pub fn panels() -> Result<Panels> {
    let rate = Curves::new("learning rate").x_label("step").series("rate", &[(0.0, 1e-3), (100.0, 1e-5)]);
    Ok(curves()?.beside(rate))
}

/// Amounts as bars, with a gap and a mark.
pub fn bars() -> Result<Bars> {
    Bars::new("images of each class")
        .bar("zebra", 412.0, "412")?
        .bar("a class with a long name", 230.0, "230")?
        .gap("12 other classes")
        .bar("okapi", 9.0, "9")?
        .mark(150.0, "mean")
}

/// What was taken for what.
pub fn confusion_matrix() -> Result<ConfusionMatrix> {
    let counts = [50, 3, 0, 1, 6, 40, 2, 0, 0, 1, 61, 0, 4, 0, 0, 20];
    ConfusionMatrix::new(&["cat", "dog", "horse", "zebra"], &counts)
}

/// Whether probabilities can be believed.
pub fn reliability_diagram() -> Result<ReliabilityDiagram> {
    let bin = |(count, confidence, accuracy)| ReliabilityBin { count, confidence, accuracy };
    let bins = [(0, 0.0, 0.0), (12, 0.35, 0.5), (30, 0.52, 0.45), (41, 0.71, 0.6), (120, 0.93, 0.84)];
    ReliabilityDiagram::new("reliability", &bins.map(bin))
}

/// Words and numbers in rows.
pub fn table() -> Result<Table> {
    let table = Table::new(&["part", "images", "share"]);
    Ok(table.row(&["train", "1,257", "70.0 %"]).row(&["test <held out>", "270", "15.0 %"]))
}

/// An image with a box, a mask and points.
pub fn annotated() -> Result<Annotated> {
    let side = 96;
    let inside = |at: usize| u8::from((20..56).contains(&(at / side)) && (18..60).contains(&(at % side)));
    let point = |at, look| MarkPoint { at, look };
    let disc_mark = Mark {
        label: "disc 97 %".into(),
        color: 1,
        corners: Some([14.0, 14.0, 63.0, 63.0]),
        mask: Some((0..side * side).map(inside).collect()),
        points: vec![point([38.0, 38.0], PointLook::Full), point([50.0, 30.0], PointLook::Hollow)],
    };
    let slope = Mark { label: "slope".into(), corners: Some([60.0, 66.0, 95.0, 92.0]), ..Mark::default() };
    Annotated::new(disc(side)?).caption("a disc on a slope").mark(disc_mark)?.mark(slope)
}

/// A value for each pixel, over the picture.
pub fn overlay() -> Result<Overlay> {
    let side = 24;
    let value = |at: usize| ((at / side) as f32 - 12.0) * ((at % side) as f32 - 8.0) / 100.0;
    let values: Vec<f32> = (0..side * side).map(value).collect();
    let overlay = Overlay::new(disc(side)?, &values, OverlayScale::Signed)?;
    Ok(overlay.title("what speaks for it").note("red speaks for it, blue against it"))
}

/// 600 numbers that lie around 2, by steps of a rule that every machine computes exactly.
fn numbers(spread: f64) -> Vec<f64> {
    (0..600_u32).map(|at| f64::from(at * 37 % 101 + at * 53 % 89) * spread / 64.0 - 1.0).collect()
}

/// How often which numbers occur.
pub fn histogram() -> Result<Histogram> {
    Ok(Histogram::of(&numbers(1.0), 20)?.title("weights"))
}

/// Histograms one behind the other.
pub fn histograms_over_time() -> Result<HistogramsOverTime> {
    let mut over_time = HistogramsOverTime::new("stem.weight").x_label("epoch");
    for epoch in 1..=12 {
        over_time.push(f64::from(epoch), Histogram::of(&numbers(0.5 + f64::from(epoch) / 16.0), 24)?);
    }
    Ok(over_time)
}

/// Points in named groups.
pub fn scatter() -> Result<Scatter> {
    let group = |number: u32| -> Vec<(f64, f64)> {
        let place = |at: u32, by: u32| f64::from((at * by + number * 7) % 23) / 8.0 + f64::from(number) * 1.5;
        (0..40).map(|at| (place(at, 11), place(at, 17))).collect()
    };
    let scatter = Scatter::new("embeddings").x_label("first").y_label("second");
    Ok(scatter.points("cat", &group(0)).points("dog", &group(1)).points("okapi", &group(2)))
}

/// What somebody drew with plotters.
pub fn own_drawing() -> Result<Drawing> {
    let parabola = drawing([480, 280], |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .x_label_area_size(30)
            .y_label_area_size(40)
            .caption("a parabola", ("sans-serif", 18))
            .build_cartesian_2d(-1.0..1.0, 0.0..1.0)?;
        chart.configure_mesh().draw()?;
        let points = (-16..=16).map(|at| f64::from(at) / 16.0);
        chart.draw_series(LineSeries::new(points.map(|x| (x, x * x)), &BLUE))?;
        Ok(())
    })?;
    Ok(parabola.description("a parabola from -1 to 1"))
}

/// Boxes and what flows between them.
pub fn diagram() -> Result<Diagram> {
    let mut diagram = Diagram::new("a residual block");
    let named = |title: &str, lines: &[&str], inputs: &[usize], color| DiagramBox {
        title: title.into(),
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
        color,
        stands_for: if color == 2 { StandsFor::Several } else { StandsFor::One },
        inputs: inputs.to_vec(),
    };
    let input = diagram.push(named("input", &["3 x 32 x 32"], &[], 0))?;
    let conv = diagram.push(named("conv 3 x 3", &["batch norm, relu", "16 x 32 x 32"], &[input], 1))?;
    let blocks = diagram.push(named("blocks", &["4 times"], &[conv], 2))?;
    diagram.push(named("add", &[], &[blocks, input], 3))?;
    Ok(diagram)
}

use sconce_display::Bundle;

use crate::data::{Dataset, Sample, Target};
use crate::metrics::{BoxError, BoxErrorKind, BoxErrors, TrueBox};
use crate::plot::{Annotated, ImageGrid, Mark, Picture, Table, count, escape, percent, svg_in_html};
use crate::progress::{Progress, Unit};
use crate::rich::Rich;
use crate::{Error, Result, Seed};

const OP: &str = "Dataset::show_box_errors";
/// A grid draws no more pictures than 256: so many of each of the six kinds fit.
const MOST: usize = 40;
/// Pixels of the longer side of a picture, so that the lines of boxes are seen in a grid.
const SIDE: usize = 224;
/// The numbers of the colours: blue and orange.
const THERE: usize = 0;
const FOUND: usize = 1;

/// Examples of what is wrong with boxes, drawn on their images: see [`Dataset::show_box_errors`].
#[derive(Debug, Clone, PartialEq)]
pub struct BoxErrorGrid {
    examples: Vec<BoxError>,
    class_names: Vec<String>,
    grid: ImageGrid,
    /// How many errors of each kind there are.
    counts: Vec<usize>,
}

impl Dataset {
    /// Examples of each kind of error, `each` of them where there are so many: the image, the box that was found in orange
    /// and the thing that is there in blue. Of boxes these are the surest, of things that were missed the largest.
    ///
    /// Image `n` of the evaluation is sample `n` of this data set as it comes into a batch, so the images are to be
    /// recorded in its order, and its transforms must not be random.
    ///
    /// # Errors
    /// Unless `each` is 1 to 40; if the evaluation is of more images, or a thing of it is not in its sample; a sample that
    /// can no longer be read. An interrupt.
    pub fn show_box_errors(&self, errors: &BoxErrors, each: usize) -> Result<BoxErrorGrid> {
        let refused = |expected: String, got: String, hint: &str| {
            Err(Error::Argument { op: OP.into(), expected, got, hint: hint.into() })
        };
        if !(1..=MOST).contains(&each) {
            return refused(
                format!("1 to {MOST} examples of each kind"),
                each.to_string(),
                "BoxErrors::all has all of them, without pictures.",
            );
        }
        if errors.images() > self.len() {
            return refused(
                format!("an evaluation of at most the {} images of the data set", self.len()),
                format!("one of {}", errors.images()),
                "Give the data set that was evaluated.",
            );
        }
        let mut examples: Vec<&BoxError> = Vec::new();
        for kind in BoxErrorKind::ALL {
            let mut of_kind: Vec<&BoxError> =
                errors.all().iter().filter(|error| error.kind == kind).collect();
            of_kind.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
            examples.extend(of_kind.into_iter().take(each));
        }
        let mut grid = ImageGrid::new().title("errors in boxes").note("orange: found; blue: there");
        let mut progress =
            Progress::start("drawing errors in boxes", Unit::Images, Some(examples.len() as u64));
        for (at, error) in examples.iter().enumerate() {
            progress.at(at as u64)?;
            let sample = self.transformed(error.image, 0, Seed(0))?;
            if let Some(truth) = error.truth.as_ref().filter(|truth| !is_in(truth, &sample.target)) {
                return refused(
                    format!("the things of image {} of the evaluation in sample {0}", error.image),
                    format!("no {} at {:.0?} there", name(self.class_names(), truth.label), truth.corners),
                    "Record the images in the order of the data set that is shown, with the same transforms, none of \
                     which is random.",
                );
            }
            grid.push(drawn(&sample, error)?, &self.caption(error));
        }
        let counts = BoxErrorKind::ALL.map(|kind| errors.count(kind)).to_vec();
        let class_names = self.class_names().to_vec();
        Ok(BoxErrorGrid { examples: examples.into_iter().cloned().collect(), class_names, grid, counts })
    }

    /// `class: dog 92 %, is cat`.
    fn caption(&self, error: &BoxError) -> String {
        let [found, there] = words(self.class_names(), error);
        let kind = error.kind.name();
        match error.kind {
            BoxErrorKind::Class | BoxErrorKind::Both => format!("{kind}: {found}, is {there}"),
            BoxErrorKind::Missed => format!("{kind}: {there}"),
            BoxErrorKind::Location | BoxErrorKind::Duplicate | BoxErrorKind::Background => {
                format!("{kind}: {found}")
            }
        }
    }
}

/// The higher, the sooner an error is shown.
fn weight(error: &BoxError) -> f64 {
    let area = |[x0, y0, x1, y1]: [f64; 4]| (x1 - x0) * (y1 - y0);
    match (&error.found, &error.truth) {
        (Some(found), _) => found.score,
        (None, Some(truth)) => area(truth.corners),
        (None, None) => 0.0,
    }
}

/// Whether a sample has the thing: the same class, and no further off than rounding brings it.
fn is_in(truth: &TrueBox, target: &Target) -> bool {
    target.objects.iter().map(TrueBox::from).any(|object| {
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-3 * a.abs().max(1.0);
        object.label == truth.label && object.corners.iter().zip(&truth.corners).all(near)
    })
}

/// The image without what else is in it, with the box that was found over the thing that is there.
fn drawn(sample: &Sample, error: &BoxError) -> Result<Picture> {
    let bare = Sample { target: Target::default(), ..sample.clone() };
    let picture = bare.show()?.picture()?.reduced(SIDE);
    let scale = picture.size()[1] as f64 / sample.image.width().max(1) as f64;
    let mark = |color: usize, corners: [f64; 4]| Mark {
        color,
        corners: Some(corners.map(|side| (side * scale) as f32)),
        ..Mark::default()
    };
    let truth = error.truth.iter().map(|truth| mark(THERE, truth.corners));
    let found = error.found.iter().map(|found| mark(FOUND, found.corners));
    truth.chain(found).try_fold(Annotated::new(picture), Annotated::mark)?.picture()
}

fn name(class_names: &[String], label: u32) -> String {
    class_names.get(label as usize).cloned().unwrap_or_else(|| label.to_string())
}

/// What was found, `dog 92 %`, and what is there, `cat`; nothing where there is no such thing.
fn words(class_names: &[String], error: &BoxError) -> [String; 2] {
    let found = error
        .found
        .as_ref()
        .map(|found| format!("{} {}", name(class_names, found.label), percent(found.score)));
    let there = error.truth.as_ref().map(|truth| name(class_names, truth.label));
    [found, there].map(Option::unwrap_or_default)
}

impl BoxErrorGrid {
    /// The errors that are shown, by kind.
    #[must_use]
    pub fn examples(&self) -> &[BoxError] {
        &self.examples
    }

    /// The pictures, each with what was found and what is there.
    #[must_use]
    pub fn grid(&self) -> &ImageGrid {
        &self.grid
    }

    /// The examples as a table, boxes in pixels.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["error", "of", "image", "found", "its box", "there", "its box"]);
        let corners = |corners: [f64; 4]| corners.map(|side| format!("{side:.0}")).join(" ");
        for error in &self.examples {
            let all = BoxErrorKind::ALL.iter().zip(&self.counts).find(|(kind, _)| **kind == error.kind);
            let [found, there] = words(&self.class_names, error);
            table.push(&[
                error.kind.name().to_owned(),
                count(all.map_or(0, |(_, &all)| all)),
                error.image.to_string(),
                found,
                error.found.as_ref().map(|found| corners(found.corners)).unwrap_or_default(),
                there,
                error.truth.as_ref().map(|truth| corners(truth.corners)).unwrap_or_default(),
            ]);
        }
        table
    }
}

impl Rich for BoxErrorGrid {
    fn rich(&self) -> Bundle {
        let table = self.table();
        let picture = match self.grid.svg() {
            Ok(svg) => svg_in_html(&svg, self.grid.text().trim_end()),
            Err(error) => escape(&error.to_string()),
        };
        let bundle = Bundle::text(format!("{}{}", self.grid.text(), table.text()))
            .html(format!("{picture}{}", table.html()));
        match self.grid.picture().map(|picture| picture.png()) {
            Some(Ok(png)) => bundle.png(png),
            _ => bundle,
        }
    }
}

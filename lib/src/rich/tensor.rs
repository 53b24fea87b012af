//! candle's tensors.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use candle_core::{DType, Device, Tensor, Var};
use sconce_display::Bundle;

use super::Rich;
use super::cells::{Plane, Stretches};
use super::numbers::numbers;
use super::statistics::Statistics;
use super::values::ask;
use crate::Result;
use crate::plot::{HeatMap, ImageGrid, Picture, ValueRange, count, escape, number, sparkline};

/// A PNG of at most this many bytes: it stands in the output twice, once within HTML, and both together
/// stay below 200 kB.
const PNG_BYTES: usize = 64_000;
/// What a picture may hold, the next less where its PNG gets too large.
const LIMITS: [Limits; 6] = [
    Limits { side: 192, images: MOST_IMAGES },
    Limits { side: 144, images: 48 },
    Limits { side: 108, images: 36 },
    Limits { side: 80, images: 24 },
    Limits { side: 56, images: 16 },
    Limits { side: 32, images: 16 },
];
/// Of a batch so many images are drawn.
const MOST_IMAGES: usize = 64;

impl Rich for Tensor {
    fn rich(&self) -> Bundle {
        forms("Tensor", self)
    }
}

impl Rich for Var {
    fn rich(&self) -> Bundle {
        forms("Var", self.as_tensor())
    }
}

fn forms(kind: &str, tensor: &Tensor) -> Bundle {
    let tensor = tensor.detach();
    let head = heading(kind, &tensor);
    // Copied from its device once, not for every question.
    tensor
        .to_device(&Device::Cpu)
        .map_err(Into::into)
        .and_then(|tensor| read(&head, &tensor))
        .unwrap_or_else(|error| Bundle::text(format!("{head}\nits values could not be read: {error}\n")))
}

/// `Tensor (2, 3) f32 cpu, 6 values`.
fn heading(kind: &str, tensor: &Tensor) -> String {
    let dims: Vec<String> = tensor.dims().iter().map(usize::to_string).collect();
    let shape = if dims.len() == 1 { format!("({},)", dims[0]) } else { format!("({})", dims.join(", ")) };
    let device = match tensor.device().location() {
        candle_core::DeviceLocation::Cpu => "cpu".to_owned(),
        candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        candle_core::DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    };
    let values = tensor.elem_count();
    let plural = if values == 1 { "" } else { "s" };
    format!("{kind} {shape} {} {device}, {} value{plural}", tensor.dtype().as_str(), count(values))
}

fn read(head: &str, tensor: &Tensor) -> Result<Bundle> {
    let statistics = Statistics::of(tensor)?;
    let float = tensor.dtype().is_float();
    // The statistics of one value say nothing that the value does not.
    let line = |separator| match statistics.count {
        1 => String::new(),
        _ => format!("{}\n", statistics.line(float, separator)),
    };
    let mut numbers = numbers(tensor)?;
    if tensor.rank() == 1 && tensor.elem_count() > 1 {
        numbers += &format!("{}\n", sparkline(&ask(tensor, Stretches)?));
    }
    let shown = draw(tensor, &statistics)?;
    let note = shown.as_ref().map_or(String::new(), |shown| format!("{}\n", shown.note));
    let bundle = Bundle::text(format!("{head}\n{}{note}{numbers}", line("  ")));

    // HTML makes one space of several.
    let caption = format!("{head}\n{}{note}", line(" · "));
    let caption = caption.trim_end().split('\n').map(escape).collect::<Vec<_>>().join("<br>");
    let numbers =
        format!("<pre style=\"margin:4px 0;color:inherit;background:none\">{}</pre>", escape(&numbers));
    Ok(match shown {
        None => bundle.html(format!("<div style=\"font-size:13px\">{caption}{numbers}</div>")),
        Some(Shown { size: [height, width], png, note }) => {
            let html = format!(
                "<figure style=\"margin:4px 0\"><img src=\"data:image/png;base64,{}\" width=\"{width}\" height=\"{height}\" alt=\"{}\" \
                 style=\"max-width:100%;height:auto;border:1px solid rgba(128,128,128,.4)\">\
                 <figcaption style=\"font-size:13px;text-align:left\">{caption}</figcaption>\
                 <details style=\"font-size:13px\"><summary>numbers</summary>{numbers}</details></figure>",
                BASE64_STANDARD.encode(&png),
                escape(&format!("{note} of {head}: {}", statistics.line(float, ", "))),
            );
            bundle.html(html).png(png)
        }
    })
}

/// How much of a tensor is drawn.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// The most pixels a side of one picture; half as many in a grid.
    side: usize,
    /// The most pictures in a grid.
    images: usize,
}

/// The picture of a tensor.
struct Shown {
    /// Height and width, in pixels.
    size: [usize; 2],
    /// The picture as a file, large enough to be looked at: viewers that smooth what they enlarge would
    /// blur a small one.
    png: Vec<u8>,
    /// What it is and what its colours stand for.
    note: String,
}

/// The tensor's picture at the largest size whose file is small enough; `None` where it has none.
fn draw(tensor: &Tensor, statistics: &Statistics) -> Result<Option<Shown>> {
    if statistics.count == 0 {
        return Ok(None);
    }
    let mut last = None;
    // By the file before it, to leave out sizes that are far too large.
    let mut bytes_a_pixel = 0.0;
    for (at, limits) in LIMITS.iter().enumerate() {
        let pixels = (limits.side * limits.side * limits.images) as f64;
        // Twice as many as fit: a smaller picture's pixels are means of more values, and pack better.
        if at + 1 < LIMITS.len() && bytes_a_pixel * pixels > 2.0 * PNG_BYTES as f64 {
            continue;
        }
        let Some((picture, note)) = picture(tensor, statistics, *limits)? else { return Ok(None) };
        let [height, width] = picture.size();
        let factor = (192 / height.max(width)).clamp(1, 32);
        let enlarged = picture.enlarged(factor);
        let png = enlarged.png()?;
        let fits = png.len() <= PNG_BYTES;
        bytes_a_pixel = png.len() as f64 / pixels;
        last = Some(Shown { size: enlarged.size(), png, note });
        if fits {
            break;
        }
    }
    Ok(last)
}

fn picture(tensor: &Tensor, statistics: &Statistics, limits: Limits) -> Result<Option<(Picture, String)>> {
    let Limits { side, images: most } = limits;
    Ok(match *tensor.dims() {
        [rows, columns] => {
            let cells = [rows.min(side), columns.min(side)];
            let reduced = if cells == [rows, columns] {
                String::new()
            } else {
                format!(
                    ", each pixel the mean of about {} x {} values",
                    rows.div_ceil(cells[0]),
                    columns.div_ceil(cells[1])
                )
            };
            let note = format!("heat map, {}{reduced}", colors(statistics));
            Some((heat_map(tensor, statistics, Vec::new(), cells)?, note + marked(statistics)))
        }
        [channels @ (1 | 3), height, width] => {
            let (span, range) = brightness(tensor.dtype(), statistics);
            let picture = image(tensor, span, &[], [channels, height, width], side)?;
            Some((picture, format!("image, {range}{}", marked(statistics))))
        }
        [slices, rows, columns] => {
            let mut grid = ImageGrid::new();
            let cells = [rows.min(side / 2), columns.min(side / 2)];
            for slice in 0..slices.min(most) {
                grid.push(heat_map(tensor, statistics, vec![slice], cells)?, "");
            }
            let note = format!("heat maps of {}, {}", some_of(slices, most, "slices"), colors(statistics));
            grid.picture().map(|picture| (picture, note + marked(statistics)))
        }
        [images, channels @ (1 | 3), height, width] => {
            let (span, range) = brightness(tensor.dtype(), statistics);
            let mut grid = ImageGrid::new();
            for at in 0..images.min(most) {
                grid.push(image(tensor, span, &[at], [channels, height, width], side / 2)?, "");
            }
            let note = format!("{}, {range}{}", some_of(images, most, "images"), marked(statistics));
            grid.picture().map(|picture| (picture, note))
        }
        _ => None,
    })
}

/// `16 images`, `the first 64 of 100 images`.
fn some_of(all: usize, most: usize, what: &str) -> String {
    if all > most { format!("the first {most} of {all} {what}") } else { format!("{all} {what}") }
}

fn marked(statistics: &Statistics) -> &'static str {
    if statistics.finite() < statistics.count { ", red where not finite" } else { "" }
}

/// Which values the ends of a heat map's colours stand for.
fn colors(statistics: &Statistics) -> String {
    let [low, high] = [statistics.min, statistics.max].map(number);
    match statistics.finite() {
        0 => "no finite values".to_owned(),
        _ if statistics.min == statistics.max => format!("all {low}"),
        _ => format!("dark {low} to light {high}"),
    }
}

/// Which values an image's black and white stand for, and that in words.
fn brightness(dtype: DType, statistics: &Statistics) -> ((f64, f64), String) {
    let unit = statistics.min >= 0.0 && statistics.max <= 1.0;
    let span = if unit && (dtype.is_float() || dtype == DType::U8) {
        // Bytes of 0 and 1 are a mask, not a picture that is nearly black.
        (0.0, 1.0)
    } else if dtype == DType::U8 {
        (0.0, 255.0)
    } else {
        (statistics.min, statistics.max)
    };
    (span, format!("black {} to white {}", number(span.0), number(span.1)))
}

fn heat_map(
    tensor: &Tensor,
    statistics: &Statistics,
    leading: Vec<usize>,
    cells: [usize; 2],
) -> Result<Picture> {
    let plane = Plane { leading, cells, span: (statistics.min, statistics.max) };
    HeatMap::new(cells, &plane.of(tensor)?)?.range(ValueRange::Unit).picture()
}

fn image(
    tensor: &Tensor,
    span: (f64, f64),
    leading: &[usize],
    [channels, height, width]: [usize; 3],
    side: usize,
) -> Result<Picture> {
    let longer = height.max(width);
    let cells = [height, width].map(|length| {
        if longer <= side {
            length
        } else {
            ((length as f64 * side as f64 / longer as f64).round() as usize).max(1)
        }
    });
    let mut values = Vec::with_capacity(channels * cells[0] * cells[1]);
    for channel in 0..channels {
        let leading = [leading, &[channel]].concat();
        values.extend(Plane { leading, cells, span }.of(tensor)?);
    }
    Picture::from_values([channels, cells[0], cells[1]], &values, ValueRange::Unit)
}

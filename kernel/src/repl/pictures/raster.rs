//! Draws a picture so that it fills whole character cells.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, Options, Tree, fontdb};

use super::find::Picture;
use super::{CellSize, PictureError};
use crate::repl::screen::Size;

/// A character's size in CSS pixels: pictures keep their size relative to the text around them, on screens of any
/// density.
const CSS_CELL: CellSize = CellSize { width: 8, height: 16 };

/// A picture is never drawn with more pixels than this on a side.
const MOST_PIXELS: u32 = 8192;

/// A drawn picture: its canvas is whole cells, blank where the picture does not reach.
#[derive(Debug)]
pub struct Raster {
    /// The pixels.
    pub pixels: Pixmap,
    /// How many characters wide it is.
    pub columns: u32,
    /// How many rows high it is.
    pub rows: u32,
}

/// Draws, with the fonts of the system, which are looked for when the first picture comes.
#[derive(Default)]
pub struct Rasterizer {
    options: Option<Options<'static>>,
    warning: Option<&'static str>,
}

impl Rasterizer {
    /// Draws a picture no larger than the terminal.
    pub fn fit(&mut self, picture: &Picture, cell: CellSize, size: Size) -> Result<Raster, PictureError> {
        let tree = self.tree(picture)?;
        let own = tree.size();
        let css = picture.width.map_or(1.0, |width| width as f32 / own.width());
        let density = cell.width as f32 / CSS_CELL.width as f32;
        // One row stays for the prompt.
        let columns = u32::try_from(size.columns).unwrap_or(u32::MAX).min(MOST_PIXELS / cell.width).max(1);
        let rows = u32::try_from(size.rows.saturating_sub(1)).unwrap_or(u32::MAX);
        let rows = rows.min(MOST_PIXELS / cell.height).max(1);
        let scale = (css * density)
            .min((columns * cell.width) as f32 / own.width())
            .min((rows * cell.height) as f32 / own.height());
        let cells =
            |length: f32, cell: u32, most: u32| ((length * scale / cell as f32).ceil() as u32).clamp(1, most);
        let columns = cells(own.width(), cell.width, columns);
        let rows = cells(own.height(), cell.height, rows);
        let mut pixels = Pixmap::new(columns * cell.width, rows * cell.height)
            .ok_or_else(|| PictureError::new("it is too large"))?;
        resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
        Ok(Raster { pixels, columns, rows })
    }

    /// What a person should know about the pictures drawn until now, once.
    pub fn take_warning(&mut self) -> Option<&'static str> {
        self.warning.take()
    }

    fn tree(&mut self, picture: &Picture) -> Result<Tree, PictureError> {
        let options = match &mut self.options {
            Some(options) => options,
            none => {
                let options = none.insert(options());
                if options.fontdb.is_empty() {
                    self.warning = Some("no fonts were found on this system: pictures lack their text");
                }
                options
            }
        };
        let tree = if picture.mime == "image/svg+xml" {
            Tree::from_data(&picture.bytes, options)
        } else {
            let encoded = STANDARD.encode(&picture.bytes);
            let svg = format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\"><image href=\"data:{};base64,{encoded}\"/></svg>",
                picture.mime
            );
            Tree::from_str(&svg, options)
        };
        let tree = tree.map_err(|error| PictureError::new(format!("the {}: {error}", picture.mime)))?;
        if tree.root().children().is_empty() {
            return Err(PictureError::new(format!("the {} holds nothing that can be drawn", picture.mime)));
        }
        Ok(tree)
    }
}

fn options() -> Options<'static> {
    let mut options = Options::default();
    // What a cell shows stands in the document; it gets no hold of other files.
    options.image_href_resolver.resolve_string = Box::new(|_, _| None);
    let fonts = options.fontdb_mut();
    fonts.load_system_fonts();
    name_generic_families(fonts);
    options
}

/// Text in `sans-serif` and in fonts that are not there must be drawn with one that is there, whichever it is.
fn name_generic_families(fonts: &mut fontdb::Database) {
    let known = |names: &[&str]| {
        let has = |name: &str| {
            fonts
                .faces()
                .any(|face| face.families.iter().any(|(family, _)| family.eq_ignore_ascii_case(name)))
        };
        names.iter().find(|name| has(name)).map(|name| (*name).to_owned())
    };
    let any = fonts.faces().find_map(|face| face.families.first()).map(|(family, _)| family.clone());
    let sans =
        known(&["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans", "Noto Sans", "Ubuntu", "Roboto"]);
    let serif = known(&["Times New Roman", "Liberation Serif", "DejaVu Serif", "Noto Serif"]);
    let mono = known(&["Courier New", "Menlo", "Liberation Mono", "DejaVu Sans Mono", "Noto Sans Mono"]);
    if let Some(sans) = sans.or(any) {
        fonts.set_monospace_family(mono.unwrap_or_else(|| sans.clone()));
        fonts.set_serif_family(serif.unwrap_or_else(|| sans.clone()));
        fonts.set_cursive_family(sans.clone());
        fonts.set_fantasy_family(sans.clone());
        fonts.set_sans_serif_family(sans);
    }
}

impl From<usvg::Error> for PictureError {
    fn from(error: usvg::Error) -> PictureError {
        PictureError::new(error)
    }
}

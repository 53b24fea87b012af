//! Every form that a value shows itself in, written to files: `NAME.txt`, `NAME.html` and, where there is one, `NAME.png`,
//! the plots as `NAME.svg`, and `index.html` with all of them on a light and on a dark ground.
//!
//! `cargo run --release -p sconce --example forms [-- FOLDER]` writes them to `FOLDER`, `target/forms` if none is said.

#![allow(clippy::print_stdout)] // A program for the terminal: its results go to stdout.

mod gallery;

use std::fs;
use std::path::{Path, PathBuf};

use gallery::{FORMS, pictures};
use sconce::plot::escape;
use sconce::{Error, Result};
use sconce_display::Content;

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "target/forms".into()));
    let io = |op, source| Error::Io { op, path: folder.clone(), source };
    fs::create_dir_all(&folder).map_err(|source| io("create", source))?;
    let mut all = String::new();
    for (name, make) in FORMS {
        let bundle = make()?;
        let text = bundle.plain().unwrap_or_default();
        let mut html = format!("<pre>{}</pre>", escape(text));
        for (mime, content) in &bundle.forms {
            match (mime.as_str(), content) {
                ("text/plain", Content::Text(text)) => write(&folder, name, "txt", text.as_bytes())?,
                ("text/html", Content::Text(of_value)) => html.clone_from(of_value),
                ("image/png", Content::Bytes(png)) => write(&folder, name, "png", png)?,
                _ => {}
            }
        }
        write(&folder, name, "html", page(&html).as_bytes())?;
        all += &format!("<h3>{name}</h3>{html}");
    }
    let grounds = ["light", "dark"].map(|ground| format!("<section class=\"{ground}\">{all}</section>"));
    write(&folder, "index", "html", page(&grounds.concat()).as_bytes())?;

    pictures::image_grid()?.save(folder.join("image_grid.svg"))?;
    pictures::heat_map()?.save(folder.join("heat_map.svg"))?;
    pictures::curves()?.save(folder.join("curves.svg"))?;
    pictures::panels()?.save(folder.join("panels.svg"))?;
    pictures::bars()?.save(folder.join("bars.svg"))?;
    pictures::confusion_matrix()?.save(folder.join("confusion_matrix.svg"))?;
    pictures::reliability_diagram()?.save(folder.join("reliability_diagram.svg"))?;
    pictures::annotated()?.save(folder.join("annotated.svg"))?;
    pictures::overlay()?.save(folder.join("overlay.svg"))?;
    pictures::diagram()?.save(folder.join("diagram.svg"))?;
    println!("{} forms are in {}", FORMS.len(), folder.display());
    Ok(())
}

fn write(folder: &Path, name: &str, ending: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(format!("{name}.{ending}"));
    fs::write(&path, bytes).map_err(|source| Error::Io { op: "write", path, source })
}

/// A page that follows the reader's wish for a light or dark ground.
fn page(body: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>forms</title><style>\
         :root{{color-scheme:light dark}}body{{font:14px sans-serif;margin:0}}section{{padding:16px}}\
         .light{{color-scheme:light;background:#fff;color:#111}}.dark{{color-scheme:dark;background:#111;color:#eee}}\
         </style><body>{body}</body></html>\n"
    )
}

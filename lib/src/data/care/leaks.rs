//! Images that are in more than one part of a split.

use std::collections::{HashMap, HashSet};

use sconce_display::Bundle;

use super::config::ScanConfig;
use super::looking::look_at_all;
use super::measure::Measured;
use super::near::Near;
use super::show::draw;
use crate::Result;
use crate::data::{DataSplit, Split};
use crate::plot::{ImageGrid, Table, count, escape, svg_in_html};
use crate::rich::Rich;

/// So many pairs are listed and drawn.
const SHOWN: usize = 8;

/// An image in a part of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which part.
    pub part: Split,
    /// Its index there.
    pub index: usize,
    /// What it is called.
    pub id: String,
}

/// An image of the validation or test part that is also in an earlier part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// The image.
    pub image: Place,
    /// The one in an earlier part that it equals, or looks like most.
    pub twin: Place,
    /// In how many of 64 bits their fingerprints differ; `None` where their pixels are the same.
    pub distance: Option<u32>,
}

/// Images that are in more than one part of a split: what a model has learnt by heart makes it look better
/// than it is. [`DataSplit::leaks`] finds them.
#[derive(Debug, Clone)]
pub struct Leaks {
    /// Each image of the validation part that is in the training part, then each of the test part that is in
    /// one of the two others.
    pub leaks: Vec<Leak>,
    /// How many images could not be read, and so not be compared.
    pub unread: usize,
    /// How many images were looked at: all of them unless an interrupt came.
    pub seen: usize,
    split: DataSplit,
}

impl DataSplit {
    /// Finds images that are, or look like, an image of another part. Every image is read once; of `config`
    /// only `near_distance` matters.
    ///
    /// ```
    /// use sconce::data::care::ScanConfig;
    /// use sconce::prelude::*;
    ///
    /// let mut data = datasets::digits()?.split([0.7, 0.15, 0.15], Seed(42))?;
    /// let leaks = data.leaks(ScanConfig { near_distance: None, ..ScanConfig::default() })?;
    /// data.test = data.test.without(&leaks.to_drop(Split::Test))?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// An interrupt ends it, and what was found until then comes back: [`Leaks::is_complete`] tells.
    ///
    /// # Errors
    /// For limits that can't be meant.
    pub fn leaks(&self, config: ScanConfig) -> Result<Leaks> {
        let config = config.checked("DataSplit::leaks")?;
        let mut earlier = Earlier::within(config.near_distance);
        let mut leaks = Leaks { leaks: Vec::new(), unread: 0, seen: 0, split: self.clone() };
        let place = |part: Split, index| -> Result<Place> {
            Ok(Place { part, index, id: self.part(part).id(index)? })
        };
        for part in Split::ALL {
            // Images of one part are not held against each other.
            let mut of_part = Vec::new();
            look_at_all(self.part(part), config, &format!("leaks, {part}"), |index, looked| {
                leaks.seen += 1;
                let Some(measured) = looked.measured else {
                    leaks.unread += 1;
                    return Ok(());
                };
                if let Some((twin, distance)) = earlier.twin(&measured) {
                    leaks.leaks.push(Leak {
                        image: place(part, index)?,
                        twin: place(twin.0, twin.1)?,
                        distance,
                    });
                }
                of_part.push((index, measured));
                Ok(())
            })?;
            for (index, measured) in of_part {
                earlier.push((part, index), &measured);
            }
        }
        Ok(leaks)
    }
}

/// The images of the parts before.
struct Earlier {
    same: HashMap<[u8; 32], (Split, usize)>,
    near: Option<Near>,
    /// Fingerprints that are there already: the first image of each stands for all.
    known: HashSet<u64>,
    /// Which image each fingerprint is of.
    places: Vec<(Split, usize)>,
}

impl Earlier {
    fn within(radius: Option<u32>) -> Earlier {
        Earlier {
            same: HashMap::new(),
            near: radius.map(Near::within),
            known: HashSet::new(),
            places: Vec::new(),
        }
    }

    fn push(&mut self, place: (Split, usize), image: &Measured) {
        self.same.entry(image.digest).or_insert(place);
        let (Some(near), Some(hash)) = (self.near.as_mut(), image.hash) else { return };
        if self.known.insert(hash.0) {
            near.push(hash);
            self.places.push(place);
        }
    }

    /// The image with the same pixels, else the one that looks most like it.
    fn twin(&self, image: &Measured) -> Option<((Split, usize), Option<u32>)> {
        if let Some(&place) = self.same.get(&image.digest) {
            return Some((place, None));
        }
        let (number, distance) = self.near.as_ref()?.nearest(image.hash?)?;
        Some((*self.places.get(number)?, Some(distance)))
    }
}

impl Leaks {
    /// Whether every image was looked at. After an interrupt not: there may be more leaks.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.seen == self.all()
    }

    /// Images in all parts.
    fn all(&self) -> usize {
        Split::ALL.iter().map(|&part| self.split.part(part).len()).sum()
    }

    /// The indices of the images of a part that are in an earlier one, for
    /// [`Dataset::without`](crate::data::Dataset::without): nothing for the training part, which comes first.
    #[must_use]
    pub fn to_drop(&self, part: Split) -> Vec<usize> {
        let of_part = self.leaks.iter().filter(|leak| leak.image.part == part);
        of_part.map(|leak| leak.image.index).collect()
    }

    /// All pairs.
    #[must_use]
    pub fn table(&self) -> Table {
        self.listed(self.leaks.len())
    }

    fn listed(&self, most: usize) -> Table {
        let mut table = Table::new(&["image", "is also", "differs in"]);
        let name = |place: &Place| format!("{} {} ({})", place.part, place.index, place.id);
        for Leak { image, twin, distance } in self.leaks.iter().take(most) {
            let distance = distance.map_or_else(|| "nothing".to_owned(), |bits| format!("{bits} bits"));
            table.push(&[name(image), name(twin), distance]);
        }
        table
    }

    /// `leaks: 3 of valid in train, 1 of test in train, 0 of test in valid`.
    fn headline(&self) -> String {
        let number = |image, twin| {
            let pairs = self.leaks.iter();
            count(pairs.filter(|leak| leak.image.part == image && leak.twin.part == twin).count())
        };
        let unread = match self.unread {
            0 => String::new(),
            unread => format!("; {} images could not be read", count(unread)),
        };
        let so_far = match self.is_complete() {
            true => String::new(),
            false => format!("interrupted after {} of {} images: ", count(self.seen), count(self.all())),
        };
        format!(
            "leaks: {so_far}{} of valid in train, {} of test in train, {} of test in valid{unread}",
            number(Split::Valid, Split::Train),
            number(Split::Test, Split::Train),
            number(Split::Test, Split::Valid)
        )
    }

    /// The first pairs side by side.
    fn pairs(&self) -> ImageGrid {
        let mut grid = ImageGrid::new().columns(4);
        for leak in self.leaks.iter().take(SHOWN) {
            for place in [&leak.image, &leak.twin] {
                let caption = format!("{} {}", place.part, place.index);
                draw(&mut grid, self.split.part(place.part), place.index, &caption);
            }
        }
        grid
    }
}

impl Rich for Leaks {
    fn rich(&self) -> Bundle {
        let headline = self.headline();
        let mut text = format!("{headline}\n");
        let mut html = format!("<b>{}</b>", escape(&headline));
        if !self.leaks.is_empty() {
            let table = self.listed(SHOWN);
            let more = match self.leaks.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!("and {} more\n", count(more)),
            };
            text += &format!("{}{more}", table.text());
            html += &format!("{}<small>{more}</small>", table.html());
            let grid = self.pairs();
            match grid.svg() {
                Ok(svg) => html += &svg_in_html(&svg, grid.text().trim_end()),
                Err(error) => html += &escape(&error.to_string()),
            }
        }
        Bundle::text(text).html(format!("<div style=\"font-size:13px\">{html}</div>"))
    }
}

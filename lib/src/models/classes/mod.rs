//! The names of the classes of the data sets that published weights were trained on, in the order of the outputs.
//!
//! The names are those of torchvision's documentation, which for ImageNet are the short ones in use; in ILSVRC each is a
//! synset of WordNet.

use super::published::ClassList;

const IMAGENET: &str = include_str!("imagenet.txt");
/// Number and name of the classes that there are.
const COCO: &str = include_str!("coco.txt");
const VOC: &str = include_str!("voc.txt");
/// Numbers of COCO's categories, with 0 for the background.
const COCO_NUMBERS: usize = 91;

/// What stands for a number that no class has.
pub(super) const UNUSED: &str = "(none)";

impl ClassList {
    /// The names, one for each output, in the order of the outputs. In [`ClassList::Coco`] the numbers that no class
    /// has are called `(none)`.
    ///
    /// ```
    /// use sconce::models::ClassList;
    ///
    /// assert_eq!(ClassList::ImageNet.names()[207], "golden retriever");
    /// assert_eq!(ClassList::Coco.names()[17], "cat");
    /// ```
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        match self {
            ClassList::ImageNet => IMAGENET.lines().collect(),
            ClassList::Voc => VOC.lines().collect(),
            ClassList::Coco80 => coco().map(|(_, name)| name).collect(),
            ClassList::Coco => {
                let mut names = vec![UNUSED; COCO_NUMBERS];
                for (number, name) in coco() {
                    if let Some(place) = names.get_mut(number) {
                        *place = name;
                    }
                }
                names
            }
        }
    }
}

/// Number and name of each class.
fn coco() -> impl Iterator<Item = (usize, &'static str)> {
    COCO.lines().filter_map(|line| {
        let (number, name) = line.split_once(' ')?;
        Some((number.parse().ok()?, name))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn lists_are_whole_and_in_their_order() {
        for (list, count, known) in [
            (ClassList::ImageNet, 1000, [(0, "tench"), (281, "tabby"), (999, "toilet tissue")]),
            (ClassList::Coco, 91, [(1, "person"), (44, "bottle"), (90, "toothbrush")]),
            (ClassList::Coco80, 80, [(0, "person"), (39, "bottle"), (79, "toothbrush")]),
            (ClassList::Voc, 20, [(0, "aeroplane"), (7, "cat"), (19, "tvmonitor")]),
        ] {
            let names = list.names();
            assert_eq!(names.len(), count, "{list:?}");
            for (index, name) in known {
                assert_eq!(names[index], name);
            }
            let named: HashSet<&str> = names.iter().copied().filter(|name| *name != UNUSED).collect();
            assert_eq!(named.len(), if list == ClassList::Coco { 80 } else { count }, "{list:?}");
            assert!(named.iter().all(|name| !name.is_empty() && name.trim() == *name));
        }
    }
}

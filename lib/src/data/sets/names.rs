//! Millions of file names in two pieces of memory.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// File names one behind the other. A million names of 20 bytes take 28 MB; a million `PathBuf`s would take
/// several times that, in as many pieces.
#[derive(Default, Clone)]
pub(super) struct Names {
    bytes: Vec<u8>,
    /// Where each name ends.
    ends: Vec<u64>,
}

impl Names {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn push(&mut self, name: &OsStr) {
        self.bytes.extend_from_slice(name.as_bytes());
        self.ends.push(self.bytes.len() as u64);
    }

    /// Name `at`; empty where there is none.
    pub(super) fn get(&self, at: usize) -> &OsStr {
        OsStr::from_bytes(self.slice(at))
    }

    fn slice(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(Some(&0), |before| self.ends.get(before));
        let (Some(&start), Some(&end)) = (start, self.ends.get(at)) else { return &[] };
        self.bytes.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The same names in the order of their bytes.
    pub(super) fn sorted(&self) -> Names {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| self.slice(a as usize).cmp(self.slice(b as usize)));
        let mut sorted =
            Names { bytes: Vec::with_capacity(self.bytes.len()), ends: Vec::with_capacity(self.ends.len()) };
        for at in order {
            sorted.bytes.extend_from_slice(self.slice(at as usize));
            sorted.ends.push(sorted.bytes.len() as u64);
        }
        sorted
    }

    /// Adds all of the others' names behind one's own.
    pub(super) fn append(&mut self, other: &Names) {
        let before = self.bytes.len() as u64;
        self.bytes.extend_from_slice(&other.bytes);
        self.ends.extend(other.ends.iter().map(|end| end + before));
    }

    /// Gives memory back that was taken for growing.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} names", self.len())
    }
}

impl FromIterator<OsString> for Names {
    fn from_iter<I: IntoIterator<Item = OsString>>(names: I) -> Names {
        let mut all = Names::default();
        names.into_iter().for_each(|name| all.push(&name));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_in_order_whatever_their_bytes() {
        let odd = OsStr::from_bytes(b"\xff\xfe.png").to_owned();
        let names: Names = ["b.png".into(), odd.clone(), "a.png".into(), "".into()].into_iter().collect();
        let mut sorted = names.sorted();
        assert_eq!(
            (0..5).map(|at| sorted.get(at)).collect::<Vec<_>>(),
            ["".as_ref(), "a.png".as_ref(), "b.png".as_ref(), odd.as_os_str(), "".as_ref()]
        );
        sorted.append(&names);
        assert_eq!((sorted.len(), sorted.get(4), sorted.get(6)), (8, "b.png".as_ref(), "a.png".as_ref()));
    }
}

//! Attributes of nodes.

use super::proto::AttributeProto;

pub(super) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i, kind: 2, ..AttributeProto::default() }
}

pub(super) fn float(name: &str, f: f64) -> AttributeProto {
    AttributeProto { name: name.into(), f: f as f32, kind: 1, ..AttributeProto::default() }
}

pub(super) fn text(name: &str, s: &str) -> AttributeProto {
    AttributeProto { name: name.into(), s: s.as_bytes().to_vec(), kind: 3, ..AttributeProto::default() }
}

pub(super) fn ints(name: &str, ints: impl IntoIterator<Item = usize>) -> AttributeProto {
    let ints = ints.into_iter().map(|value| value as i64).collect();
    AttributeProto { name: name.into(), ints, kind: 7, ..AttributeProto::default() }
}

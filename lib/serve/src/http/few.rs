//! Lists and objects of a few entries: some bytes of a request are an entry of a hundred in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Entries at most; no sound request has more.
const MANY: usize = 1024;

/// A list of a few entries.
pub struct Few<T>(pub Vec<T>);

impl<T> Default for Few<T> {
    fn default() -> Few<T> {
        Few(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Few<T>, D::Error> {
        struct List<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
            type Value = Few<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MANY}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Few<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = list.next_element()? {
                    if entries.len() == MANY {
                        return Err(A::Error::invalid_length(MANY + 1, &self));
                    }
                    entries.push(entry);
                }
                Ok(Few(entries))
            }
        }
        from.deserialize_seq(List(PhantomData))
    }
}

/// An object of a few entries: their values as they stand in the text, by their names. Of a name that comes twice the
/// last counts.
#[derive(Default)]
pub struct Named<'a>(pub BTreeMap<String, &'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Named<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Named<'a>, D::Error> {
        struct Object<'a>(PhantomData<&'a RawValue>);
        impl<'de: 'a, 'a> Visitor<'de> for Object<'a> {
            type Value = Named<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "an object of at most {MANY}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Named<'a>, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((name, value)) = object.next_entry()? {
                    if entries.len() == MANY {
                        return Err(A::Error::invalid_length(MANY + 1, &self));
                    }
                    entries.insert(name, value);
                }
                Ok(Named(entries))
            }
        }
        from.deserialize_map(Object(PhantomData))
    }
}

/// What is null is as if it were not there: some clients write all that they could have said.
pub fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

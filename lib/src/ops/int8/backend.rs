//! The instructions that products of integers are made of, chosen once at run time.

use std::fmt::Debug;
use std::sync::Arc;

use super::depthwise::Depthwise;
use super::dot::{Dot, PlainPairs};
use super::finish::Finish;
use super::gather::Rows;
#[cfg(target_arch = "aarch64")]
use super::neon::Neon;
use super::panels::Panels;
use super::product::Product;
use super::winograd::Winograd;
#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Vnni, VnniPairs};
use crate::ops::simd::arch;

/// Hands the instructions for operands of 16 bits to a macro.
macro_rules! with_pairs {
    ($backend:expr, $macro:ident) => {
        match $backend {
            Backend::Plain => $macro!(PlainPairs<8>),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2 => $macro!(Avx2),
            #[cfg(target_arch = "x86_64")]
            Backend::Vnni => $macro!(VnniPairs),
            #[cfg(target_arch = "aarch64")]
            Backend::Neon => $macro!(Neon),
            #[cfg(test)]
            Backend::EmulatedQuads | Backend::EmulatedPairs => $macro!(PlainPairs<16>),
        }
    };
}

/// The kinds of CPUs that are told apart. All give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Vnni,
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// What only wider CPUs have, in plain code.
    #[cfg(test)]
    EmulatedQuads,
    #[cfg(test)]
    EmulatedPairs,
}

impl Backend {
    /// The best of this CPU, or what `SCONCE_SIMD` says.
    pub(super) fn chosen() -> Backend {
        match arch() {
            #[cfg(target_arch = "x86_64")]
            pulp::Arch::V4(_) if is_x86_feature_detected!("avx512vnni") => Backend::Vnni,
            #[cfg(target_arch = "x86_64")]
            pulp::Arch::V4(_) | pulp::Arch::V3(_) => Backend::Avx2,
            #[cfg(target_arch = "aarch64")]
            pulp::Arch::Neon(_) => Backend::Neon,
            _ => Backend::Plain,
        }
    }

    /// All that this CPU can run.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Backend> {
        let mut all = vec![Backend::Plain, Backend::EmulatedQuads, Backend::EmulatedPairs];
        #[cfg(target_arch = "aarch64")]
        all.push(Backend::Neon);
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                all.push(Backend::Avx2);
            }
            if pulp::x86::V4::try_new().is_some() && is_x86_feature_detected!("avx512vnni") {
                all.push(Backend::Vnni);
            }
        }
        all
    }

    /// Packs the weights of so many groups, found by group, output of the group, and depth.
    pub(super) fn pack(
        self,
        groups: usize,
        outputs: usize,
        depth: usize,
        weight: impl Fn(usize, usize, usize) -> i16,
    ) -> Arc<dyn Packed> {
        macro_rules! pack {
            ($dot:ty) => {{
                let group = |group| {
                    Panels::<$dot>::pack(outputs, depth, |output, depth| weight(group, output, depth))
                };
                Arc::new((0..groups).map(group).collect::<Vec<_>>())
            }};
        }
        match self {
            #[cfg(target_arch = "x86_64")]
            Backend::Vnni => pack!(Vnni),
            #[cfg(test)]
            Backend::EmulatedQuads => pack!(super::dot::PlainQuads<16>),
            _ => with_pairs!(self, pack),
        }
    }

    /// Packs the weight (O, channels, 3, 3) of a convolution by tiles, whose sums have these middles.
    pub(super) fn pack_tiles(self, weight: &[i8], middles: &[i32], channels: usize) -> Arc<dyn Packed> {
        macro_rules! pack {
            ($dot:ty) => {
                Arc::new(Winograd::<$dot>::pack(weight, middles, channels))
            };
        }
        with_pairs!(self, pack)
    }

    /// Packs the weight (channels, 1, KH, KW) of a depthwise convolution.
    pub(super) fn pack_depthwise(self, weight: &[i8], channels: usize) -> Arc<dyn Packed> {
        macro_rules! pack {
            ($dot:ty) => {
                Arc::new(Depthwise::<$dot>::new(weight, channels))
            };
        }
        with_pairs!(self, pack)
    }
}

/// Numbers for each output, with room for whole panels in each group.
#[derive(Debug, Clone, Default)]
pub(super) struct PerOutput<T> {
    values: Vec<T>,
    stride: usize,
}

impl<T: Copy + Default> PerOutput<T> {
    /// Of so many outputs in each group.
    pub(super) fn new(values: &[T], outputs: usize) -> PerOutput<T> {
        // No panel is wider.
        let stride = outputs.next_multiple_of(super::finish::WIDEST);
        let mut padded = vec![T::default(); values.len() / outputs.max(1) * stride];
        for (to, from) in padded.chunks_mut(stride.max(1)).zip(values.chunks(outputs.max(1))) {
            to[..from.len()].copy_from_slice(from);
        }
        PerOutput { values: padded, stride }
    }

    pub(super) fn group(&self, group: usize) -> &[T] {
        &self.values[group * self.stride..][..self.stride]
    }
}

/// Weights in the order of some CPU's.
pub(super) trait Packed: Debug + Send + Sync {
    /// The product of `rows` with the weights, from the sums of `start`, finished. `finish` must be the only one that
    /// writes to its places.
    fn product(&self, rows: Rows, start: &PerOutput<i32>, multiplier: &PerOutput<f32>, finish: Finish);

    /// Bytes that they take.
    fn bytes(&self) -> usize;
}

impl<D: Dot> Packed for Vec<Panels<D>> {
    fn product(&self, rows: Rows, start: &PerOutput<i32>, multiplier: &PerOutput<f32>, finish: Finish) {
        for (group, panels) in self.iter().enumerate() {
            let (start, multiplier) = (start.group(group), multiplier.group(group));
            Product { rows, panels, group, start, multiplier, finish }.run();
        }
    }

    fn bytes(&self) -> usize {
        self.iter().map(Panels::bytes).sum()
    }
}

impl<D: Dot<X = i16>> Packed for Winograd<D> {
    fn product(&self, rows: Rows, start: &PerOutput<i32>, multiplier: &PerOutput<f32>, finish: Finish) {
        self.run(rows, start.group(0), multiplier.group(0), finish);
    }

    fn bytes(&self) -> usize {
        Winograd::bytes(self)
    }
}

impl<D: Dot> Packed for Depthwise<D> {
    fn product(&self, rows: Rows, start: &PerOutput<i32>, multiplier: &PerOutput<f32>, finish: Finish) {
        self.run(rows, start.group(0), multiplier.group(0), finish);
    }

    fn bytes(&self) -> usize {
        Depthwise::bytes(self)
    }
}

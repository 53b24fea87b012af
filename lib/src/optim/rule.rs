use candle_core::{Tensor, WithDType};

/// A floating point type that an update can be computed in.
pub(super) trait Float:
    WithDType
    + Send
    + Sync
    + std::ops::Neg<Output = Self>
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::SubAssign
    + std::ops::AddAssign
{
    fn sqrt(self) -> Self;
    fn larger(self, other: Self) -> Self;
}

impl Float for f32 {
    fn sqrt(self) -> f32 {
        self.sqrt()
    }
    fn larger(self, other: f32) -> f32 {
        self.max(other)
    }
}

impl Float for f64 {
    fn sqrt(self) -> f64 {
        self.sqrt()
    }
    fn larger(self, other: f64) -> f64 {
        self.max(other)
    }
}

/// When and how far a parameter moves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// The parameter's own step, from 1: the first step of a momentum differs from the others.
    pub(super) step: u64,
    /// The learning rate of this step.
    pub(super) lr: f64,
    /// The parameter's pull to zero.
    pub(super) weight_decay: f64,
}

/// How one optimizer moves the elements of a parameter. Elements do not know of each other, so any cut of
/// a parameter into chunks gives the same bits.
pub(super) trait Rule: Sync {
    /// What is kept for each element from step to step, at most three numbers, by PyTorch's names.
    fn kept(&self) -> &'static [&'static str];

    /// Moves `weight` along `gradient`. `state` holds a slice as long as `weight` for each number that is
    /// kept. To be inlined, so that it is compiled for the vectors of each kind of CPU.
    fn update<T: Float>(&self, moment: Moment, weight: &mut [T], gradient: &[T], state: &mut [&mut [T]]);

    /// The kernel that does the same on an NVIDIA GPU, if there is one.
    #[cfg(feature = "cuda")]
    fn kernel(&self, _moment: Moment) -> Option<super::cuda::Launch> {
        None
    }

    /// The same for whole tensors, on devices without kernels of ours: changes `state` and gives the new
    /// weight.
    fn compose(
        &self,
        moment: Moment,
        weight: &Tensor,
        gradient: &Tensor,
        state: &mut [Tensor],
    ) -> candle_core::Result<Tensor>;
}

/// `gradient` with the pull to zero in it.
pub(super) fn pulled(gradient: &Tensor, weight: &Tensor, decay: f64) -> candle_core::Result<Tensor> {
    if decay == 0.0 { Ok(gradient.clone()) } else { gradient + (weight * decay)? }
}

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use crate::ops::backward::hand_over;
use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, Error, InplaceOp1, Layout, MetalStorage,
    Result, Shape, Storage, Tensor,
};

/// What a gradient is computed from. None of the tensors keeps a record for candle.
pub(in super::super) struct Backward<const N: usize> {
    pub(in super::super) inputs: [Tensor; N],
    /// The inputs whose gradients something asks for.
    pub(in super::super) wanted: [bool; N],
    /// The output.
    pub(in super::super) y: Tensor,
    /// The output's gradient, contiguous.
    pub(in super::super) dy: Tensor,
}

impl<const N: usize> Backward<N> {
    /// The gradient of an input, computed only if something asks for it.
    pub(in super::super) fn of(
        &self,
        input: usize,
        gradient: impl FnOnce() -> Result<Tensor>,
    ) -> Result<Option<Tensor>> {
        if self.wanted[input] { gradient().map(Some) } else { Ok(None) }
    }
}

/// Makes `y`, computed from `inputs` without a record, known to candle as an operator whose gradients
/// are what `gradients` says. There are one to three inputs. What else `gradients` needs it keeps
/// itself; that must not share `y`'s memory, which moves.
pub(in super::super) fn differentiable<const N: usize>(
    name: &'static str,
    inputs: [&Tensor; N],
    y: Tensor,
    gradients: impl Fn(&Backward<N>) -> Result<[Option<Tensor>; N]> + Send + Sync + 'static,
) -> Result<Tensor> {
    if !inputs.iter().any(|input| input.track_op()) {
        return Ok(y);
    }
    let whole = y.is_contiguous() && y.layout().start_offset() == 0;
    let shared = inputs.iter().any(|input| same_memory(input, &y));
    let y = if whole && !shared { y } else { y.force_contiguous()? };
    let gradients = move |args: &[&Tensor], y: &Tensor, dy: &Tensor| -> Result<Vec<Option<Tensor>>> {
        let inputs: &[&Tensor; N] =
            args.try_into().map_err(|_| Error::Msg(format!("{name}: {} inputs", args.len())))?;
        let given = Backward {
            inputs: inputs.map(Tensor::detach),
            wanted: inputs.map(Tensor::track_op),
            y: y.detach(),
            dy: dy.detach().contiguous()?,
        };
        Ok(gradients(&given)?.into())
    };
    let node = Node { name, y: Mutex::new(Some(y)), gradients: Box::new(gradients) };
    match inputs.as_slice() {
        [a] => a.apply_op1(node),
        [a, b] => a.apply_op2(b, node),
        [a, b, c] => a.apply_op3(b, c, node),
        _ => Err(Error::Msg(format!("{name}: candle knows no operator of {N} inputs"))),
    }
}

fn same_memory(a: &Tensor, b: &Tensor) -> bool {
    // Candle guards every storage with a lock of its own, so the same address is the same storage.
    let address = |tensor: &Tensor| std::ptr::from_ref::<Storage>(&tensor.storage_and_layout().0).addr();
    address(a) == address(b)
}

type Gradients = dyn Fn(&[&Tensor], &Tensor, &Tensor) -> Result<Vec<Option<Tensor>>> + Send + Sync;

/// An operator whose output was computed before candle asks for it.
struct Node {
    name: &'static str,
    y: Mutex<Option<Tensor>>,
    gradients: Box<Gradients>,
}

impl Node {
    /// The output's memory, moved out of its tensor.
    fn output<S>(&self) -> Result<(S, Shape)>
    where
        S: BackendStorage,
        Taken<S>: InplaceOp1,
    {
        let y = self.y.lock().unwrap_or_else(PoisonError::into_inner).take();
        let y = y.ok_or_else(|| Error::Msg(format!("{}: computed twice", self.name)))?;
        let taken = Taken(RefCell::new(None));
        y.inplace_op1(&taken)?;
        let storage = taken.0.into_inner();
        let storage = storage.ok_or_else(|| Error::Msg(format!("{}: an output nowhere", self.name)))?;
        Ok((storage, y.shape().clone()))
    }

    fn backward<const N: usize>(
        &self,
        args: [&Tensor; N],
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<[Option<Tensor>; N]> {
        let mut gradients = (self.gradients)(&args, y, dy)?;
        for (input, gradient) in args.into_iter().zip(&mut gradients) {
            if let Some(part) = gradient.take() {
                *gradient = hand_over(input, part)?;
            }
        }
        gradients.try_into().map_err(|_| Error::Msg(format!("{}: {N} gradients wanted", self.name)))
    }
}

/// Where candle's in-place operation leaves the memory that it is given.
struct Taken<S>(RefCell<Option<S>>);

impl<S> Taken<S>
where
    S: BackendStorage,
    S::Device: BackendDevice<Storage = S>,
{
    /// Takes the memory and leaves a single value in its place.
    fn take(&self, storage: &mut S) -> Result<()> {
        let nothing = storage.device().zeros_impl(&Shape::from(1), storage.dtype())?;
        *self.0.borrow_mut() = Some(std::mem::replace(storage, nothing));
        Ok(())
    }
}

impl<S> Taken<S> {
    fn elsewhere<T>() -> Result<T> {
        Err(Error::Msg("an output on another device than its inputs".into()))
    }
}

impl InplaceOp1 for Taken<CpuStorage> {
    fn name(&self) -> &'static str {
        "take"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, _: &Layout) -> Result<()> {
        self.take(storage)
    }
}

impl InplaceOp1 for Taken<CudaStorage> {
    fn name(&self) -> &'static str {
        "take"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        Self::elsewhere()
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, _: &Layout) -> Result<()> {
        self.take(storage)
    }
}

impl InplaceOp1 for Taken<MetalStorage> {
    fn name(&self) -> &'static str {
        "take"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        Self::elsewhere()
    }

    fn metal_fwd(&self, storage: &mut MetalStorage, _: &Layout) -> Result<()> {
        self.take(storage)
    }
}

impl CustomOp1 for Node {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.output()
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.output()
    }

    fn metal_fwd(&self, _: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        self.output()
    }

    fn bwd(&self, a: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let [da] = self.backward([a], y, dy)?;
        Ok(da)
    }
}

type CpuOutput = Result<(CpuStorage, Shape)>;
type CudaOutput = Result<(CudaStorage, Shape)>;
type MetalOutput = Result<(MetalStorage, Shape)>;

impl CustomOp2 for Node {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> CpuOutput {
        self.output()
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout, _: &CudaStorage, _: &Layout) -> CudaOutput {
        self.output()
    }

    fn metal_fwd(&self, _: &MetalStorage, _: &Layout, _: &MetalStorage, _: &Layout) -> MetalOutput {
        self.output()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [da, db] = self.backward([a, b], y, dy)?;
        Ok((da, db))
    }
}

impl CustomOp3 for Node {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> CpuOutput {
        self.output()
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> CudaOutput {
        self.output()
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> MetalOutput {
        self.output()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [da, db, dc] = self.backward([a, b, c], y, dy)?;
        Ok((da, db, dc))
    }
}

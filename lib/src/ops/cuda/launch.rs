use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, CudaStream, DevicePtr, DevicePtrMut, LaunchConfig, PushKernelArg,
};
use candle_core::cuda_backend::cudarc::nvrtc::compile_ptx;
use candle_core::op::BackpropOp;
use candle_core::{CudaDevice, CudaStorage, DType, Device, Error, Result, Shape, Storage, Tensor};

use super::sizes::Sizes;

/// A kernel by its name and the file that it stands in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernel {
    pub(crate) name: &'static str,
    /// The file's name and text.
    pub(crate) source: (&'static str, &'static str),
}

/// What a kernel is started with, in the order of its parameters.
#[derive(Default)]
pub(crate) struct Arguments<'a> {
    /// Contiguous, on one GPU, of the kernel's dtype or u32.
    pub(crate) inputs: &'a [&'a Tensor],
    /// Shapes of what it writes, and whether that is of the kernel's dtype or u32.
    pub(crate) outputs: &'a [(&'a [usize], Written)],
    pub(crate) sizes: Option<Sizes>,
    pub(crate) ints: &'a [i32],
    pub(crate) numbers: &'a [f64],
}

/// What an output is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Values,
    Places,
}

/// How threads are laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Grid {
    /// So many rows of so many values, as `FOR_ROWS` and `FOR_VALUES` walk over them.
    Rows(usize, usize),
    /// So many blocks that walk over so many values each and sum them up.
    Blocks(usize, usize),
    /// So many blocks of 32 by 32 threads.
    Squares(usize),
}

/// Threads of a block.
const THREADS: usize = 256;
/// Threads of a block that sums up many values.
const MANY_THREADS: usize = 1024;
/// Blocks that a launch has at most; their threads take more rows each.
const MOST_BLOCKS: usize = 1 << 20;
/// Blocks that keep all processors of a large GPU at work.
const ENOUGH_BLOCKS: usize = 4096;

impl Grid {
    fn config(self) -> LaunchConfig {
        let ([blocks, pieces], [across, down]) = match self {
            Grid::Rows(rows, values) => {
                let across = values.next_power_of_two().clamp(1, THREADS);
                let down = THREADS / across;
                let blocks = rows.div_ceil(down).clamp(1, MOST_BLOCKS);
                // Few rows are cut into pieces, so that all processors get some.
                let pieces = (ENOUGH_BLOCKS / blocks).clamp(1, values.div_ceil(across).max(1));
                ([blocks, pieces], [across, down])
            }
            Grid::Blocks(blocks, values) => {
                ([blocks, 1], [values.next_multiple_of(32).clamp(32, MANY_THREADS), 1])
            }
            Grid::Squares(blocks) => ([blocks, 1], [32, 32]),
        };
        LaunchConfig {
            grid_dim: (blocks as u32, pieces as u32, 1),
            block_dim: (across as u32, down as u32, 1),
            shared_mem_bytes: 0,
        }
    }
}

/// Memory of an output while the kernel writes it.
enum Memory {
    F32(CudaSlice<f32>),
    F64(CudaSlice<f64>),
    U32(CudaSlice<u32>),
}

impl Memory {
    /// Memory that holds anything until a kernel has written it.
    fn new(device: &CudaDevice, dtype: DType, len: usize) -> Result<Memory> {
        // SAFETY: every kernel writes each value of its outputs before anything reads them.
        unsafe {
            Ok(match dtype {
                DType::F32 => Memory::F32(device.alloc(len)?),
                DType::F64 => Memory::F64(device.alloc(len)?),
                DType::U32 => Memory::U32(device.alloc(len)?),
                other => return Err(Error::Msg(format!("a kernel that writes {}", other.as_str()))),
            })
        }
    }

    /// The address, for a kernel that is started on `stream`.
    fn address(&mut self, stream: &CudaStream) -> u64 {
        match self {
            Memory::F32(memory) => memory.device_ptr_mut(stream).0,
            Memory::F64(memory) => memory.device_ptr_mut(stream).0,
            Memory::U32(memory) => memory.device_ptr_mut(stream).0,
        }
    }

    fn tensor(self, device: &CudaDevice, shape: &[usize]) -> Tensor {
        let storage = match self {
            Memory::F32(memory) => CudaStorage::wrap_cuda_slice(memory, device.clone()),
            Memory::F64(memory) => CudaStorage::wrap_cuda_slice(memory, device.clone()),
            Memory::U32(memory) => CudaStorage::wrap_cuda_slice(memory, device.clone()),
        };
        Tensor::from_storage(Storage::Cuda(storage), Shape::from(shape), BackpropOp::none(), false)
    }
}

/// Starts a kernel for values of `dtype` and gives what it writes, without a record for candle.
pub(crate) fn run(kernel: Kernel, dtype: DType, grid: Grid, arguments: &Arguments) -> Result<Vec<Tensor>> {
    let Some(Device::Cuda(device)) = arguments.inputs.first().map(|input| input.device()) else {
        return Err(Error::Msg(format!("{}: its inputs are not on a GPU", kernel.name)));
    };
    let module = format!("sconce_{}_{}", kernel.source.0, dtype.as_str());
    let function = device.get_or_load_custom_func(kernel.name, &module, ptx(kernel, dtype)?)?;
    let stream = device.cuda_stream();
    let storages: Vec<_> = arguments.inputs.iter().map(|input| input.storage_and_layout()).collect();
    let mut addresses = Vec::with_capacity(storages.len() + arguments.outputs.len());
    for (storage, layout) in &storages {
        let (Storage::Cuda(storage), true) = (&**storage, layout.is_contiguous()) else {
            return Err(Error::Msg(format!("{}: an input that is not contiguous on the GPU", kernel.name)));
        };
        let (start, _) = match storage.dtype() {
            DType::F32 => storage.as_cuda_slice::<f32>()?.device_ptr(&stream),
            DType::F64 => storage.as_cuda_slice::<f64>()?.device_ptr(&stream),
            DType::U32 => storage.as_cuda_slice::<u32>()?.device_ptr(&stream),
            other => return Err(Error::Msg(format!("{}: an input of {}", kernel.name, other.as_str()))),
        };
        addresses.push(start + (layout.start_offset() * storage.dtype().size_in_bytes()) as u64);
    }
    let mut outputs = Vec::with_capacity(arguments.outputs.len());
    for (shape, written) in arguments.outputs {
        let dtype = if *written == Written::Places { DType::U32 } else { dtype };
        let mut memory = Memory::new(device, dtype, shape.iter().product())?;
        addresses.push(memory.address(&stream));
        outputs.push(memory);
    }
    let mut launch = function.builder();
    addresses.iter().for_each(|address| {
        launch.arg(address);
    });
    if let Some(sizes) = &arguments.sizes {
        launch.arg(sizes);
    }
    arguments.ints.iter().for_each(|int| {
        launch.arg(int);
    });
    arguments.numbers.iter().for_each(|number| {
        launch.arg(number);
    });
    // SAFETY: the callers of this module pass what the kernel's parameters are, tensors of the sizes that they name
    // with them; kernels stay inside these. All work that a thread gives a device is in one stream, so that memory is
    // written before it is read and freed after it was used; who hands tensors to another thread waits first.
    unsafe { launch.launch(grid.config()) }.map_err(Error::wrap)?;
    drop(storages);
    let written = outputs.into_iter().zip(arguments.outputs);
    Ok(written.map(|(memory, (shape, _))| memory.tensor(device, shape)).collect())
}

/// [`run`] for a kernel of `N` outputs.
pub(super) fn run_for<const N: usize>(
    kernel: Kernel,
    dtype: DType,
    grid: Grid,
    arguments: &Arguments,
) -> Result<[Tensor; N]> {
    let written = run(kernel, dtype, grid, arguments)?;
    written.try_into().map_err(|_| Error::Msg(format!("{}: {N} outputs wanted", kernel.name)))
}

/// The compiled file of a kernel for values of `dtype`.
fn ptx(kernel: Kernel, dtype: DType) -> Result<&'static str> {
    static COMPILED: OnceLock<Mutex<HashMap<(&str, DType), &'static str>>> = OnceLock::new();
    let compiled = COMPILED.get_or_init(Mutex::default);
    let mut compiled = compiled.lock().unwrap_or_else(PoisonError::into_inner);
    let (file, text) = kernel.source;
    if let Some(ptx) = compiled.get(&(file, dtype)) {
        return Ok(ptx);
    }
    let value = if dtype == DType::F64 { "double" } else { "float" };
    let [window, block] = [include_str!("kernels/window.cu"), include_str!("kernels/block.cu")];
    let ptx = compile_ptx(format!("typedef {value} T;\n{window}{block}{text}"))
        .map_err(|error| Error::Msg(format!("{file}.cu for {value}: {error:?}")))?;
    // There are few files, and they are needed as long as the process lives.
    let ptx: &'static str = Box::leak(ptx.to_src().into_boxed_str());
    compiled.insert((file, dtype), ptx);
    Ok(ptx)
}

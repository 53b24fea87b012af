//! The model graph with channels last, as TensorFlow's formats want it: one lowering that the writers of TensorFlow
//! Lite and of SavedModel share.
//!
//! Each value keeps the shape that the graph gives it, and an order in which its dimensions lie in memory: images lie as
//! (B, H, W, C). What only gives dimensions other names or other places changes the order and moves nothing; weights are
//! turned to fit. Values are transposed where an operator needs dimensions side by side that are not.

mod arrange;
mod attention;
mod build;
mod integers;
mod lower;
mod norm;
mod open;
mod pointwise;
mod program;
mod resize;
mod shapes;
mod sine;
mod stored;
mod transposed;
mod window;

pub(crate) use arrange::permuted;
pub(crate) use lower::{Asked, lowered};
pub(crate) use program::{
    Bound, Data, Fit, Function, Kind, Op, Pair, Program, Reach, Side, Step, Value, ValueId, Window,
};

//! Everything a notebook names: `use sconce::prelude::*;`.

pub use crate::data::{
    Batch, BatchConfig, Batches, DataSplit, Dataset, LastBatch, OnError, Sampler, Sizes, Transform, datasets,
};
pub use crate::live::LivePlot;
pub use crate::losses::{Loss, SetPrediction, cross_entropy, set_loss};
pub use crate::metrics::{
    Average, BoxEvaluation, CalibrationConfig, Confidence, ConfusionCounts, KappaWeights, Metric, accuracy,
    average_precision, balanced_accuracy, calibration_error, cohen_kappa, f_beta, f1, found_boxes, mcc,
    mean_absolute_error, mean_dice, mean_iou, mean_squared_error, precision, r2, recall, roc_auc,
    subset_accuracy, tag_accuracy, top_k,
};
pub use crate::nn::{
    Architecture, Conv2dConfig, Fan, FeatureMaps, Initial, Inputs, Loading, Mode, Model, ModelOutputs,
    Outputs, Padding, Parameter, Pool2dConfig, Rounding, Summary, Value, backward,
};
pub use crate::ops::{Precision, in_precision};
pub use crate::optim::{
    Accumulation, Ema, Optimizer, ReduceOnPlateau, Schedule, adagrad, adam, adamw, clip_grad_norm,
    clip_grad_value, cosine, layer_decay, one_cycle, param_group, rmsprop, sgd, step_decay, vectors,
};
pub use crate::plot::{
    Annotated, Bars, ClassOrder, ConfusionMatrix, Curves, HeatMap, Histogram, HistogramsOverTime, ImageGrid,
    Normalisation, Overlay, Panels, Picture, Scatter, Table, ValueRange, sparkline,
};
pub use crate::rich::{Rich, Statistics, display};
pub use crate::train::{
    Checkpoints, EarlyStopping, Evaluation, FineTuneConfig, History, Learner, LearningCurve,
    LearningCurveConfig, LrFindConfig, Monitor, Net, Predictions, Run, RunRecord, Split, Teacher,
    TensorBoard, Term, found_on,
};
pub use crate::{Error, Result, Seed, compress, explain, export, models, plot, transforms, widgets};
pub use candle_core::{DType, Device, IndexOp, Module, Tensor, Var};

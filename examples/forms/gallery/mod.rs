//! Every form that a value of the library shows itself in, of small values that are the same everywhere.
//!
//! The functions without arguments are the forms: the tests and a notebook in JupyterLab show what they give.

pub mod data;
pub mod inside;
pub mod models;
pub mod pictures;
pub mod scores;
pub mod tensors;
pub mod training;

use sconce::Result;
use sconce::rich::Rich;
use sconce_display::Bundle;

/// What makes a form.
type Make = fn() -> Result<Bundle>;

/// Each form under the name of its function.
pub const FORMS: &[(&str, Make)] = &[
    ("picture", || shown(pictures::picture())),
    ("image_grid", || shown(pictures::image_grid())),
    ("heat_map", || shown(pictures::heat_map())),
    ("curves", || shown(pictures::curves())),
    ("panels", || shown(pictures::panels())),
    ("bars", || shown(pictures::bars())),
    ("confusion_matrix", || shown(pictures::confusion_matrix())),
    ("reliability_diagram", || shown(pictures::reliability_diagram())),
    ("table", || shown(pictures::table())),
    ("annotated", || shown(pictures::annotated())),
    ("overlay", || shown(pictures::overlay())),
    ("histogram", || shown(pictures::histogram())),
    ("histograms_over_time", || shown(pictures::histograms_over_time())),
    ("scatter", || shown(pictures::scatter())),
    ("own_drawing", || shown(pictures::own_drawing())),
    ("diagram", || shown(pictures::diagram())),
    ("tensor_scalar", || shown(tensors::tensor_scalar())),
    ("tensor_vector", || shown(tensors::tensor_vector())),
    ("tensor_matrix", || shown(tensors::tensor_matrix())),
    ("tensor_large_matrix", || shown(tensors::tensor_large_matrix())),
    ("tensor_image", || shown(tensors::tensor_image())),
    ("tensor_channels", || shown(tensors::tensor_channels())),
    ("tensor_batch", || shown(tensors::tensor_batch())),
    ("tensor_labels", || shown(tensors::tensor_labels())),
    ("var", || shown(tensors::var())),
    ("dataset", || shown(data::dataset())),
    ("data_split", || shown(data::data_split())),
    ("batch", || shown(data::batch())),
    ("class_balance", || shown(data::class_balance())),
    ("channel_statistics", || shown(data::channel_statistics())),
    ("sample", || shown(data::sample())),
    ("box_sizes", || shown(data::box_sizes())),
    ("skip_report", || shown(data::skip_report())),
    ("scan", || shown(data::scan())),
    ("leaks", || shown(data::leaks())),
    ("doubted_labels", || shown(data::doubted_labels())),
    ("model", || shown(models::model())),
    ("architecture", || shown(models::architecture())),
    ("summary", || shown(models::summary())),
    ("feature_maps", || shown(models::feature_maps())),
    ("model_list", || shown(models::model_list())),
    ("prune_report", || shown(models::prune_report())),
    ("quantize_report", || shown(models::quantize_report())),
    ("quantized_model", || shown(models::quantized_model())),
    ("layer_errors", || shown(models::layer_errors())),
    ("sensitivity", || shown(models::sensitivity())),
    ("sparsity_report", || shown(models::sparsity_report())),
    ("model_comparison", || shown(models::model_comparison())),
    ("export_report", || shown(models::export_report())),
    ("checkpoint", || shown(models::checkpoint())),
    ("load_report", || shown(models::load_report())),
    ("ranking", || shown(models::ranking())),
    ("detections", || shown(models::detections())),
    ("attribution", || shown(inside::attribution())),
    ("filters", || shown(inside::filters())),
    ("activation_statistics", || shown(inside::activation_statistics())),
    ("attention_maps", || shown(inside::attention_maps())),
    ("query_attention", || shown(inside::query_attention())),
    ("embedding", || shown(inside::embedding())),
    ("pca", || shown(inside::pca())),
    ("tsne", || shown(inside::tsne())),
    ("neighbours", || shown(inside::neighbours())),
    ("deletion_insertion", || shown(inside::deletion_insertion())),
    ("randomisation", || shown(inside::randomisation())),
    ("learner", || shown(training::learner())),
    ("optimizer", || shown(training::optimizer())),
    ("history", || shown(training::history())),
    ("gap_report", || shown(training::gap_report())),
    ("run", || shown(training::run())),
    ("comparison", || shown(training::comparison())),
    ("learning_curve", || shown(training::learning_curve())),
    ("evaluation", || shown(training::evaluation())),
    ("top_losses", || shown(training::top_losses())),
    ("misclassified", || shown(training::misclassified())),
    ("histograms", || shown(training::histograms())),
    ("live_plot", || shown(training::live_plot())),
    ("box_error_grid", || shown(training::box_error_grid())),
    ("predictions", || shown(training::predictions())),
    ("one_batch", || shown(training::one_batch())),
    ("lr_search", || shown(training::lr_search())),
    ("set_losses", || shown(training::set_losses())),
    ("error", || shown(training::error())),
    ("interval", || shown(scores::interval())),
    ("roc", || shown(scores::roc())),
    ("precision_recall", || shown(scores::precision_recall())),
    ("class_report", || shown(scores::class_report())),
    ("box_errors", || shown(scores::box_errors())),
    ("coco_scores", || shown(scores::coco_scores())),
    ("voc_scores", || shown(scores::voc_scores())),
];

fn shown<T: Rich>(value: Result<T>) -> Result<Bundle> {
    Ok(value?.rich())
}

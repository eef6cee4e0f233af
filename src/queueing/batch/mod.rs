//! Service in batches.

mod batch_time;
mod chain;
mod dynamic;
mod dynamic_unbounded;
mod elastic;
mod fixed;
mod mm_bulk;
mod mm_bulk_minimum;
mod token_time;
mod walk;
mod walk_law;
mod whole_sizes;

pub use batch_time::BatchTime;
pub use dynamic::Dynamic;
pub use dynamic_unbounded::DynamicUnbounded;
pub use elastic::Elastic;
pub use fixed::FixedBatches;
pub use mm_bulk::MmBulk;
pub use mm_bulk_minimum::MmBulkMinimum;
pub use token_time::TokenTime;
pub use walk::Bulk;
pub(crate) use walk::mean_above;
pub use walk_law::BulkLaw;
pub use whole_sizes::WholeSizes;

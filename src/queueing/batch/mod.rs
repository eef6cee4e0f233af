//! Service in batches.

mod dynamic;
mod dynamic_unbounded;
mod mm_bulk;
mod mm_bulk_minimum;
mod walk;
mod walk_law;
mod whole_sizes;

pub use dynamic::Dynamic;
pub use dynamic_unbounded::DynamicUnbounded;
pub use mm_bulk::MmBulk;
pub use mm_bulk_minimum::MmBulkMinimum;
pub use walk::Bulk;
pub use walk_law::BulkLaw;
pub use whole_sizes::WholeSizes;

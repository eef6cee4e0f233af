//! Service in batches.

mod dynamic_unbounded;
mod mm_bulk;
mod mm_bulk_minimum;
mod walk;

pub use dynamic_unbounded::DynamicUnbounded;
pub use mm_bulk::MmBulk;
pub use mm_bulk_minimum::MmBulkMinimum;
pub use walk::Bulk;

//! Service in batches.

mod walk;

pub use walk::Bulk;

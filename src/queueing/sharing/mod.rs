//! Processors shared by all who are present.

//! Phase-type laws from moments and from data.

//! M/G/1 by another order than first come, first served.

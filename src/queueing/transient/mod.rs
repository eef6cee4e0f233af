//! What happens before the stationary state.

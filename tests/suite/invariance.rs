//! invariance

//! The installation: its phases, in order.

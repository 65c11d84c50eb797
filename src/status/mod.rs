//! The status port: what people and their monitoring programs see of the running proxy, by HTTP.
//!
//! | file | its job |
//! |---|---|
//! | `health` | `/healthz`: whether every account could really sign on |
//! | `condition` | what is found of an account, in words |
//! | `metrics` | `/metrics`: what is counted, for Prometheus |
//! | `naming` | what accounts are called there |

pub(crate) mod condition;
pub mod health;
pub mod metrics;
mod naming;

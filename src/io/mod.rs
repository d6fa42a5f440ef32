//! The shell: one file for each thing in the outside world. They decide nothing and never use each other.

pub mod black_box;
pub mod clock;
pub mod credentials;
pub mod metrics_http;
pub mod mqtt;
pub mod netlink;
pub mod realtime;
pub mod serial;
pub mod socketcan;
pub mod store;
mod sys;
pub mod tls;

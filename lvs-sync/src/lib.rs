//! lvs-sync: makes load-balancer tables equal to the registry.
pub mod desired;
pub mod ipvsadm;
pub mod model;
pub mod plan;
pub mod sink;

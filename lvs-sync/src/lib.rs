//! lvs-sync: makes load-balancer tables equal to the registry.
pub mod ipvsadm;
pub mod model;
pub mod sink;

//! Records as they are in a store that many programs write to.

/// Where a gateway looks for them in etcd.
pub const PREFIX: &str = "/roundhouse/v1";

/// A job that is believed without a check. One port for TCP, one for HTTP.
pub fn job_record(label: &str) -> String {
    format!(
        r#"{{"jobname":"job.{label}","check":null,"ports":[{{"name":"main","port":1111,"protocol":"tcp"}},
            {{"name":"web","port":8081,"protocol":"http"}}]}}"#
    )
}

/// As job-init names them, but that the same number is the same instance in each run.
pub fn instance_key(job: &str, n: usize) -> String {
    let scattered = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("instances/{job}/{:08x}-0000-4000-8000-{:012x}", scattered >> 32, scattered & 0xffff_ffff)
}

/// Everything goes to one job.
pub fn domain_record(job: &str) -> String {
    format!(r#"{{"routes":[{{"to":[{{"job":"{job}"}}]}}]}}"#)
}

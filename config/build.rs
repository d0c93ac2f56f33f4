//! Compiles the schema of the jobs file. protox is a compiler in Rust: no `protoc` need be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    #[cfg(feature = "jobs-file")]
    jobs_file()?;
    Ok(())
}

#[cfg(feature = "jobs-file")]
fn jobs_file() -> Result<(), Box<dyn std::error::Error>> {
    use prost::Message;

    println!("cargo::rerun-if-changed=src/jobs/jobs.proto");
    let descriptors = protox::compile(["jobs.proto"], ["src/jobs"])?;
    let out = std::path::Path::new(&std::env::var("OUT_DIR")?).join("jobs.desc");
    std::fs::write(out, descriptors.encode_to_vec())?;
    Ok(())
}

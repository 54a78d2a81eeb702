//! Hands AWS-LC's header folder to libsqlite3-sys under the name that it reads (`DEP_OPENSSL_INCLUDE`).

fn main() {
    // aws-lc-sys puts its version into its `links` name, hence the search instead of one fixed variable.
    let include = std::env::vars()
        .find(|(name, _)| name.starts_with("DEP_AWS_LC_") && name.ends_with("_INCLUDE"))
        .map(|(_, folder)| folder);
    match include {
        Some(folder) => println!("cargo:include={folder}"),
        None => println!("cargo::error=aws-lc-sys did not say where its headers are"),
    }
}

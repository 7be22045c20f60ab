//! A private server with the product's tables at a version, until it is killed:
//! `serve [VERSION]`, for a look with psql and for trying things out.

use std::process::ExitCode;
use std::thread;

use workspace_autobuild_tests::{Product, Server, Version};

fn main() -> ExitCode {
    let version = match std::env::args().nth(1).map(|name| name.parse()) {
        None => Version::NEWEST,
        Some(Ok(version)) => version,
        Some(Err(error)) => {
            eprintln!("usage: serve [VERSION]: {error}");
            return ExitCode::FAILURE;
        }
    };
    let server = Server::options().start();
    let product = Product::install(&server, version);
    println!("{}", server.psql(product.database()));
    loop {
        // Its guard ends the server when this process is gone.
        thread::park();
    }
}

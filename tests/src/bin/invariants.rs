//! Checks a database by hand: `invariants "host=/run/postgresql user=postgres dbname=product"`.
//! Prints what does not hold, a line each, and ends with 1 if there is anything.
//!
//! It reads, and takes the capture triggers off in a transaction that it rolls back, to
//! compare agenda and scan: on a server that is in use this holds up writers for a moment.

use std::process::ExitCode;

use postgres::{Client, NoTls};
use workspace_autobuild_tests::invariants;

fn main() -> ExitCode {
    let Some(connection) = std::env::args().nth(1) else {
        eprintln!("usage: invariants CONNECTION (a superuser's)");
        return ExitCode::FAILURE;
    };
    let mut client = match Client::connect(&connection, NoTls) {
        Ok(client) => client,
        Err(error) => {
            eprintln!("no connection: {error}");
            return ExitCode::FAILURE;
        }
    };
    let broken = invariants::of_quiet_database(&mut client);
    if broken.is_empty() {
        println!("everything holds");
        return ExitCode::SUCCESS;
    }
    for line in broken {
        println!("{line}");
    }
    ExitCode::FAILURE
}

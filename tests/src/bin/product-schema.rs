//! Prints the DDL of the product's tables at a version: `product-schema v2.34.3 [SCHEMA]`.

use std::process::ExitCode;

use workspace_autobuild_tests::Version;
use workspace_autobuild_tests::product::ddl::ddl;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (version, schema) = (arguments.next(), arguments.next());
    match version.unwrap_or_default().parse::<Version>() {
        Ok(version) => {
            print!("{}", ddl(version, schema.as_deref().unwrap_or("public")));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("usage: product-schema VERSION [SCHEMA]: {error}");
            ExitCode::FAILURE
        }
    }
}

//! The scene of the crimes: a database whose tables' owner has planted code that records
//! as whom it runs, and takes all it can get when it runs as a superuser.

use postgres::Client;
pub use workspace_autobuild_tests::SOON;
use workspace_autobuild_tests::product::{OWNER, Template, texts};
use workspace_autobuild_tests::server::{self, Options};
use workspace_autobuild_tests::{Product, Server, Version, await_until};

/// So small that refusals with the same SQLSTATE don't give up a batch.
const BATCH: &str = "10";

/// A server whose worker ticks each second.
pub fn ticking() -> Options {
    server::ticking().set("workspace_autobuild.batch_size", BATCH)
}

/// `grab(what)` notes as whom it runs, and makes the owner of the product's tables a
/// superuser if it can.
const GRAB: &str = "
    CREATE TABLE public.loot (what text, who text, superuser boolean);
    GRANT INSERT, SELECT ON public.loot TO PUBLIC;
    CREATE FUNCTION public.grab(what text) RETURNS void LANGUAGE plpgsql
        SET search_path = pg_catalog AS $$
    DECLARE
        super boolean := (SELECT rolsuper FROM pg_roles WHERE rolname = current_user);
    BEGIN
        INSERT INTO public.loot VALUES (what, current_user, super);
        IF super THEN
            ALTER ROLE product SUPERUSER;
        END IF;
    END $$;";

/// The product's tables, `grab`, and the extension in a schema of its own.
pub fn install(server: &Server) -> Product {
    let product = Product::install(server, Version::NEWEST);
    product.execute(GRAB);
    product
}

/// Creates the extension, in the schema `ops` of the superuser's.
pub fn create_extension(product: &Product) {
    superuser(product)
        .batch_execute("CREATE SCHEMA ops; CREATE EXTENSION \"workspace-autobuild\" SCHEMA ops; GRANT USAGE ON SCHEMA ops TO PUBLIC")
        .unwrap_or_else(|e| panic!("CREATE EXTENSION: {e:?}"));
}

/// A session of the superuser's, who knows what is planted and looks elsewhere first.
pub fn superuser(product: &Product) -> Client {
    let mut client = product.superuser();
    client
        .batch_execute(&format!(
            "SET search_path TO pg_catalog, public, ops;
             SET workspace_autobuild.batch_size = {BATCH}"
        ))
        .expect("settings");
    client
}

/// A session of somebody's who may call `autobuild_tick` and nothing else.
pub fn plain_caller(product: &Product) -> Client {
    let role = format!("caller_of_{}", product.database());
    let mut client = superuser(product);
    client
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN;
             GRANT EXECUTE ON FUNCTION ops.autobuild_tick(timestamptz) TO {role};
             GRANT SET ON PARAMETER workspace_autobuild.batch_size TO {role}"
        ))
        .expect("a role");
    let mut client = product.address().connect(product.database(), &role);
    client
        .batch_execute(&format!(
            "SET search_path TO pg_catalog, public, ops; SET workspace_autobuild.batch_size = {BATCH}"
        ))
        .expect("settings");
    client
}

/// A workspace whose deadline has passed.
pub fn overdue(template: &Template<'_>, name: &str) {
    template.workspace(name).create_overdue();
}

/// Waits until the worker has tried each workspace.
pub fn await_all_tried(product: &Product) {
    let workspaces = product.rows("SELECT FROM workspaces").len();
    let mut client = superuser(product);
    await_until("every workspace was tried", SOON, || {
        // The product's tables are nothing for a superuser to look at.
        texts(
            &mut client,
            "SELECT DISTINCT workspace_id FROM ops.autobuild_transitions",
        )
        .len()
            == workspaces
    });
}

/// What came of each workspace: its name, outcome and SQLSTATE, by name.
pub fn outcomes(product: &Product) -> Vec<(String, String, Option<String>)> {
    let names = product.rows("SELECT id, name FROM workspaces");
    let tried = texts(
        &mut superuser(product),
        "SELECT workspace_id, outcome, sqlstate FROM ops.autobuild_transitions",
    );
    let mut outcomes: Vec<_> = tried
        .into_iter()
        .map(|row| {
            let name = names.iter().find(|name| name[0] == row[0]);
            let name = name.and_then(|name| name[1].clone()).expect("a name");
            let [_, outcome, sqlstate] = row.try_into().expect("three columns");
            (name, outcome.expect("an outcome"), sqlstate)
        })
        .collect();
    outcomes.sort();
    outcomes
}

/// Nobody became a superuser, and nothing planted ran as one or as another than these.
#[track_caller]
pub fn nothing_gained(product: &Product, expected: &[&str]) {
    let mut client = superuser(product);
    let superusers = texts(
        &mut client,
        "SELECT rolname FROM pg_roles WHERE rolsuper ORDER BY 1",
    );
    assert_eq!(superusers, [[Some("postgres".to_owned())]]);
    let loot = texts(
        &mut client,
        "SELECT DISTINCT what, who, superuser FROM public.loot ORDER BY 1, 2",
    );
    for row in &loot {
        let who = row[1].as_deref().expect("a role");
        assert!(expected.contains(&who), "ran as {who}: {loot:?}");
        assert_eq!(row[2].as_deref(), Some("f"), "{loot:?}");
    }
}

/// How often `grab` ran.
pub fn grabbed(product: &Product, what: &str) -> u64 {
    let sql = format!("SELECT count(*) FROM public.loot WHERE what = '{what}'");
    texts(&mut superuser(product), &sql)
        .remove(0)
        .remove(0)
        .and_then(|count| count.parse().ok())
        .expect("a count")
}

/// The owner of the product's tables.
pub const PRODUCT_OWNER: &str = OWNER;

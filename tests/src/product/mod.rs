//! The product's database: its tables at any of ten versions, and rows as a user
//! would have made them.
//!
//! [`Product::install`] makes a database with the tables, an organization, a user and
//! a provisioner that takes everything; from there each builder (`product.user("anna")`,
//! `template.workspace("dev")`, `workspace.build(Transition::Stop)`) ends with
//! `.create()`, and fills only the columns that the version has.

mod bulk;
pub mod ddl;
pub mod facts;
mod notices;
mod people;
mod row;
pub mod source;
mod template;
mod version;
mod workspace;

use std::cell::{RefCell, RefMut};
use std::sync::atomic::{AtomicU32, Ordering};

use postgres::{Client, SimpleQueryMessage};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::server::{Address, SUPERUSER, Server};
use facts::Facts;

pub use bulk::Bulk;
pub use notices::Notice;
pub use people::{NewDaemon, NewOrganization, NewUser, Organization, User};
pub use row::{Fields, LONG_AGO, Row, Value, quote_ident, quote_literal};
pub use template::{
    NewParameter, NewTemplate, NewVersion, Preset, Template, TemplateVersion, parameter,
};
pub use version::{UnknownVersion, Version};
pub use workspace::{Build, NewBuild, NewTask, NewWorkspace, Transition, Workspace};

/// The role that owns the product's tables and its database; no superuser.
pub const OWNER: &str = "product";

/// The user that owns pre-built workspaces until somebody claims them.
pub const PREBUILDS_OWNER: Uuid = Uuid::from_u128(0xc42f_df75_3097_471c_8c33_fb52_454d_81c0);

/// Nanoseconds in a minute: the product keeps durations in nanoseconds.
pub const MINUTE: i64 = 60_000_000_000;
/// Nanoseconds in an hour.
pub const HOUR: i64 = 60 * MINUTE;

/// A database of the product's, and a session in it as the owner of its tables.
pub struct Product {
    facts: Facts,
    address: Address,
    database: String,
    schema: String,
    session: RefCell<Client>,
    organization: Uuid,
    admin: Uuid,
}

impl Product {
    /// Makes a database of its own on `server`, with the product's tables in
    /// `public` and, in them, one organization, one user and one provisioner.
    #[track_caller]
    pub fn install(server: &Server, version: Version) -> Product {
        Product::install_in(server, version, "public")
    }

    /// As [`Product::install`], with the tables in another schema.
    #[track_caller]
    pub fn install_in(server: &Server, version: Version, schema: &str) -> Product {
        Product::install_at(server.address(), version, schema)
    }

    /// As [`Product::install_in`], on whatever server listens there.
    #[track_caller]
    pub fn install_at(address: &Address, version: Version, schema: &str) -> Product {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let database = format!("product_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        ensure_owner(&mut address.connect(SUPERUSER, SUPERUSER));
        address.create_database(&database, OWNER);
        let mut session = address.connect(&database, OWNER);
        let schema_sql = quote_ident(schema);
        let ddl = format!(
            "CREATE SCHEMA IF NOT EXISTS {schema_sql};\n{}SET search_path TO {schema_sql};",
            ddl::ddl(version, schema)
        );
        session
            .batch_execute(&ddl)
            .unwrap_or_else(|e| panic!("the tables of {version}: {e:?}"));
        let mut product = Product {
            facts: Facts::of(version),
            address: address.clone(),
            database,
            schema: schema.to_owned(),
            session: RefCell::new(session),
            organization: Uuid::nil(),
            admin: Uuid::nil(),
        };
        product.organization = product
            .new_organization("default")
            .set_if_there("is_default", true)
            .create()
            .id;
        product.admin = product.user("admin").create().id;
        product.daemon("everywhere").create();
        product
    }

    /// Creates the extension, as superuser, in the schema `public`.
    #[track_caller]
    pub fn create_extension(&self) {
        self.superuser()
            .batch_execute("CREATE EXTENSION \"workspace-autobuild\"")
            .unwrap_or_else(|e| panic!("CREATE EXTENSION: {e:?}"));
    }

    /// The product's version.
    pub fn version(&self) -> Version {
        self.facts.version
    }

    /// What is known of its tables.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The schema that the product's tables are in.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Where the server listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The session as the tables' owner, for queries that the builders don't cover.
    pub fn session(&self) -> RefMut<'_, Client> {
        self.session.borrow_mut()
    }

    /// A new session as the tables' owner.
    #[track_caller]
    pub fn connect(&self) -> Client {
        let mut client = self.address.connect(&self.database, OWNER);
        self.look_in_schema(&mut client);
        client
    }

    /// A new session as superuser.
    #[track_caller]
    pub fn superuser(&self) -> Client {
        let mut client = self.address.connect(&self.database, SUPERUSER);
        self.look_in_schema(&mut client);
        client
    }

    fn look_in_schema(&self, client: &mut Client) {
        if self.schema != "public" {
            let schema = quote_ident(&self.schema);
            client
                .batch_execute(&format!("SET search_path TO {schema}, public"))
                .unwrap_or_else(|e| panic!("search_path: {e:?}"));
        }
    }

    /// Opens the session anew, after the server was restarted.
    #[track_caller]
    pub fn reconnect(&self) {
        self.session.replace(self.connect());
    }

    /// From now on its server is the one at this address: a standby that was promoted.
    #[track_caller]
    pub fn move_to(&mut self, address: &Address) {
        self.address = address.clone();
        self.reconnect();
    }

    /// Executes statements as the tables' owner.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        execute(&mut self.session(), sql);
    }

    /// A trigger of the owner's that refuses each build of the workspaces for which the
    /// condition, on their row, holds.
    #[track_caller]
    pub fn refuse_builds_of(&self, condition: &str) {
        self.execute(&format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 IF (SELECT {condition} FROM public.workspaces WHERE id = NEW.workspace_id) THEN
                     RAISE EXCEPTION 'not this one';
                 END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON workspace_builds
                 FOR EACH ROW EXECUTE FUNCTION refuse();"
        ));
    }

    /// The rows of a query as texts, `None` for NULL: to be compared in one look.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        texts(&mut self.session(), sql)
    }

    /// The first column of a query's only row, as text.
    #[track_caller]
    pub fn value(&self, sql: &str) -> Option<String> {
        value(&mut self.session(), sql)
    }

    /// The rows of a query, each as JSON object of its columns.
    #[track_caller]
    pub fn json(&self, sql: &str) -> Vec<Json> {
        self.rows(&format!("SELECT to_jsonb(q) FROM ({sql}) q"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|text| {
                serde_json::from_str(&text).unwrap_or_else(|e| panic!("not JSON: {text}: {e}"))
            })
            .collect()
    }

    /// Inserts a row.
    #[track_caller]
    pub fn insert(&self, row: &Row) {
        self.execute(&row.insert(&self.facts, ""));
    }
}

/// Executes statements, in any session.
#[track_caller]
pub fn execute(client: &mut Client, sql: &str) {
    client
        .batch_execute(sql)
        .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
}

/// The rows of a query as texts, `None` for NULL, in any session.
#[track_caller]
pub fn texts(client: &mut Client, sql: &str) -> Vec<Vec<Option<String>>> {
    client
        .simple_query(sql)
        .unwrap_or_else(|e| panic!("{sql}: {e:?}"))
        .into_iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|i| row.get(i).map(str::to_owned))
                    .collect(),
            ),
            _ => None,
        })
        .collect()
}

/// The first column of a query's only row, as text, in any session.
#[track_caller]
pub fn value(client: &mut Client, sql: &str) -> Option<String> {
    let mut rows = texts(client, sql);
    assert_eq!(rows.len(), 1, "not one row: {sql}");
    rows.remove(0).remove(0)
}

/// The schema that the extension is in, as an identifier; none without it.
#[track_caller]
pub fn extension_schema(client: &mut Client) -> Option<String> {
    let sql = "SELECT quote_ident(nspname) FROM pg_extension e
                 JOIN pg_namespace n ON n.oid = e.extnamespace
                WHERE extname = 'workspace-autobuild'";
    texts(client, sql).into_iter().flatten().flatten().next()
}

/// Makes the role that owns the product's tables, once for a server.
#[track_caller]
pub fn ensure_owner(client: &mut Client) {
    // Tests run side by side: one of two CREATE ROLE fails, and that is as good.
    client
        .batch_execute(&format!(
            "DO $$ BEGIN CREATE ROLE {OWNER} LOGIN;
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        ))
        .unwrap_or_else(|e| panic!("CREATE ROLE {OWNER}: {e:?}"));
}

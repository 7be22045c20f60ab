//! Organizations, users, and the provisioners that do an organization's builds.

use serde_json::json;
use uuid::Uuid;

use super::row::{Fields, Row};
use super::{PREBUILDS_OWNER, Product};

/// Always fresh, whatever the tick: a provisioner seen in the future passes.
const SEEN_FOR_EVER: &str = "2200-01-01 00:00:00+00";

/// A row of `organizations`.
#[derive(Clone, Copy, Debug)]
pub struct Organization {
    /// Its id.
    pub id: Uuid,
}

/// A row of `users`.
#[derive(Clone, Copy, Debug)]
pub struct User {
    /// Its id.
    pub id: Uuid,
}

/// An organization to be made.
pub struct NewOrganization<'p> {
    product: &'p Product,
    id: Uuid,
    row: Row,
}

/// A user to be made.
pub struct NewUser<'p> {
    product: &'p Product,
    row: Row,
    id: Uuid,
}

/// A provisioner to be made.
pub struct NewDaemon<'p> {
    product: &'p Product,
    row: Row,
    id: Uuid,
}

impl Product {
    /// The organization that came with the installation.
    pub fn organization(&self) -> Organization {
        Organization {
            id: self.organization,
        }
    }

    /// The user that came with the installation; templates are hers, and workspaces
    /// for which no owner is named.
    pub fn admin(&self) -> User {
        User { id: self.admin }
    }

    /// Another organization.
    pub fn new_organization(&self, name: &str) -> NewOrganization<'_> {
        let id = Uuid::new_v4();
        let mut row = Row::new("organizations");
        row.set("id", id).set("name", name);
        row.set_if_there("display_name", name);
        NewOrganization {
            product: self,
            id,
            row,
        }
    }

    /// A user who is active.
    pub fn user(&self, name: &str) -> NewUser<'_> {
        self.user_with_id(name, Uuid::new_v4())
    }

    /// The user that owns pre-built workspaces.
    pub fn prebuilds_user(&self) -> NewUser<'_> {
        let user = self.user_with_id("prebuilds", PREBUILDS_OWNER);
        user.set_if_there("is_system", true)
    }

    fn user_with_id(&self, name: &str, id: Uuid) -> NewUser<'_> {
        let mut row = Row::new("users");
        row.set("id", id)
            .set("username", name)
            .set("email", format!("{name}@example.com"))
            .set("status", "active");
        NewUser {
            product: self,
            row,
            id,
        }
    }

    /// A provisioner of the installation's organization that takes every job without
    /// tags of its own, and was always just seen.
    pub fn daemon(&self, name: &str) -> NewDaemon<'_> {
        let id = Uuid::new_v4();
        let mut row = Row::new("provisioner_daemons");
        row.set("id", id)
            .set("name", name)
            .set("provisioners", "{terraform}")
            .set("tags", json!({"scope": "organization", "owner": ""}));
        row.set_if_there("organization_id", self.organization)
            .set_if_there("last_seen_at", SEEN_FOR_EVER);
        NewDaemon {
            product: self,
            row,
            id,
        }
    }

    /// Removes all provisioners, also the one of the installation.
    #[track_caller]
    pub fn remove_daemons(&self) {
        self.execute("DELETE FROM provisioner_daemons");
    }
}

impl Fields for NewOrganization<'_> {
    fn row(&mut self) -> &mut Row {
        &mut self.row
    }
}

impl NewOrganization<'_> {
    /// Inserts it.
    #[track_caller]
    pub fn create(self) -> Organization {
        self.product.insert(&self.row);
        Organization { id: self.id }
    }
}

impl Fields for NewUser<'_> {
    fn row(&mut self) -> &mut Row {
        &mut self.row
    }
}

impl NewUser<'_> {
    /// The user is suspended.
    pub fn suspended(self) -> Self {
        self.set("status", "suspended")
    }

    /// Inserts it.
    #[track_caller]
    pub fn create(self) -> User {
        self.product.insert(&self.row);
        User { id: self.id }
    }
}

impl Fields for NewDaemon<'_> {
    fn row(&mut self) -> &mut Row {
        &mut self.row
    }
}

impl NewDaemon<'_> {
    /// It works for another organization (where the version knows of that).
    pub fn organization(self, organization: Organization) -> Self {
        self.set_if_there("organization_id", organization.id)
    }

    /// Its tags.
    pub fn tags(self, tags: serde_json::Value) -> Self {
        self.set("tags", tags)
    }

    /// When it was last seen (where the version records that).
    pub fn last_seen_at(self, at: impl Into<super::Value>) -> Self {
        self.set_if_there("last_seen_at", at)
    }

    /// Inserts it, and returns its id.
    #[track_caller]
    pub fn create(self) -> Uuid {
        self.product.insert(&self.row);
        self.id
    }
}

//! From what is due to what is written: inputs read in sets, each workspace planned.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use uuid::Uuid;

use crate::instant::Instant;
use crate::lifecycle::policy::Policy;
use crate::lifecycle::transition::Transition;
use crate::new_build::codes::BlockCode;
use crate::new_build::inputs::{Block, PreviousValue};
use crate::new_build::plan::{Plan, plan};
use crate::new_build::request::Request;
use crate::new_build::version::chosen_version;
use crate::product::inputs;
use crate::product::provisioners::{self, Demand};
use crate::product::schema::Product;
use crate::proofs::Proofs;
use crate::server::error::Error;
use crate::settings::Settings;

use super::due::Due;
use super::planned::Planned;
use super::versions::{self, Ready};

/// Plans what is due, in the order given. `at` is the clock of the tick, not cut down; `proofs`:
/// which proofs about templates' sources count.
pub(crate) fn plan_all(
    product: &Product,
    settings: &Settings,
    due: Vec<Due>,
    at: Instant,
    proofs: Proofs,
) -> Result<Vec<Planned>, Error> {
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let inputs = Inputs::read(product, settings, &due, at, proofs)?;
    Ok(due
        .into_iter()
        .map(|due| {
            let work = inputs.work(product, &settings.policy, &due);
            let previous = inputs.previous_of(due.facts.workspace_id);
            Planned::new(due, work, previous)
        })
        .collect())
}

/// All that was read for a set of workspaces.
struct Inputs {
    versions: HashMap<Uuid, Rc<Ready>>,
    previous: HashMap<Uuid, Vec<PreviousValue>>,
    latest_job_tags: HashMap<Uuid, Option<String>>,
    provisioners: HashMap<Demand, bool>,
}

fn request<'a>(product: &'a Product, policy: &'a Policy, due: &'a Due) -> Request<'a> {
    Request {
        facts: &due.facts,
        next: &due.next,
        signs: &product.signs,
        policy,
    }
}

/// The version that a build of this workspace takes, if it gets one.
pub(crate) fn version_of(product: &Product, policy: &Policy, due: &Due) -> Option<Uuid> {
    let builds = due.next.transition.is_a_build();
    builds
        .then(|| chosen_version(&request(product, policy, due)))
        .flatten()
}

impl Inputs {
    fn read(
        product: &Product,
        settings: &Settings,
        due: &[Due],
        at: Instant,
        proofs: Proofs,
    ) -> Result<Inputs, Error> {
        let policy = &settings.policy;
        let versions = due
            .iter()
            .filter_map(|due| version_of(product, policy, due));
        let mut ids: HashSet<Uuid> = versions.collect();
        if product.signs.provisioner {
            // The check for a provisioner looks at the active version, whatever is built.
            ids.extend(
                due.iter()
                    .filter(|due| due.next.transition != Transition::Remind)
                    .filter_map(|due| due.facts.template.as_ref())
                    .map(|template| template.active_version_id),
            );
        }
        let versions = versions::read(product, settings, &ids, proofs)?;

        let builds = due.iter().filter(|due| due.next.transition.is_a_build());
        let mut latest_builds = Vec::new();
        let mut needed = HashSet::new();
        let mut with_latest_tags = Vec::new();
        for due in builds {
            let Some(latest) = &due.facts.latest else {
                continue;
            };
            latest_builds.push((due.facts.workspace_id, latest.id));
            let version = version_of(product, policy, due).and_then(|id| versions.get(&id));
            if let Some(Ready { version, .. }) = version.map(Rc::as_ref) {
                needed.extend(version.needed_values().iter().cloned());
                if version.needs_latest_job_tags() {
                    with_latest_tags.push(latest.id);
                }
            }
        }
        let mut inputs = Inputs {
            previous: inputs::previous_values(product, &latest_builds, &needed)?,
            latest_job_tags: inputs::job_tags(product, &with_latest_tags)?,
            versions,
            provisioners: HashMap::new(),
        };
        if product.signs.provisioner {
            let demands: HashSet<Demand> =
                due.iter().filter_map(|due| inputs.demand(due)).collect();
            let demands: Vec<Demand> = demands.into_iter().collect();
            inputs.provisioners = provisioners::available(product, &demands, at)?;
        }
        Ok(inputs)
    }

    /// What a provisioner has to take for this workspace; `None` where the template's
    /// active version, or the job that imported it, does not exist.
    fn demand(&self, due: &Due) -> Option<Demand> {
        let active = due.facts.template.as_ref()?.active_version_id;
        let tags = self.versions.get(&active)?.import_tags.clone()?;
        Some((due.facts.organization_id, tags))
    }

    /// What is known of the values that a workspace had before.
    fn previous_of(&self, workspace: Uuid) -> &[PreviousValue] {
        self.previous.get(&workspace).map_or(&[], Vec::as_slice)
    }

    /// What is written for one workspace, or why nothing can be.
    fn work(&self, product: &Product, policy: &Policy, due: &Due) -> Result<Option<Plan>, Block> {
        // As in the product a mark alone waits for a daemon, a reminder doesn't.
        if product.signs.provisioner && due.next.transition != Transition::Remind {
            self.check_provisioner(due)?;
        }
        if !due.next.transition.is_a_build() {
            return Ok(None);
        }
        let request = request(product, policy, due);
        let version = chosen_version(&request).and_then(|id| self.versions.get(&id));
        let previous = self.previous_of(due.facts.workspace_id);
        let latest_job_tags = due
            .facts
            .latest
            .as_ref()
            .and_then(|latest| self.latest_job_tags.get(&latest.id))
            .and_then(Option::as_deref);
        let version = version.map(|ready| &ready.version);
        plan(&request, version, previous, latest_job_tags).map(Some)
    }

    fn check_provisioner(&self, due: &Due) -> Result<(), Block> {
        let Some(demand) = self.demand(due) else {
            let id = due
                .facts
                .template
                .as_ref()
                .map(|template| template.active_version_id)
                .unwrap_or_default();
            return Err(BlockCode::ActiveVersionMissing.block(format!(
                "the template's active version {id}, or the job that imported it, does not exist"
            )));
        };
        if self.provisioners.get(&demand).copied().unwrap_or(false) {
            return Ok(());
        }
        let (organization, tags) = demand;
        Err(BlockCode::NoProvisioner.block(format!(
            "no provisioner daemon of organization {organization} that takes jobs with the tags {} was seen in the last 90 seconds",
            tags.as_deref().unwrap_or("NULL")
        )))
    }
}

//! What SQL may leave out before a verdict is asked for: said for each rule, never more
//! than the rule itself would leave out.

use crate::columns::{Column, provisioner_jobs, templates, users, workspace_builds, workspaces};
use crate::lifecycle::facts::PREBUILDS_OWNER;
use crate::lifecycle::policy::Policy;
use crate::lifecycle::rules::ActingRule;

use super::schema::Product;
use super::starts::Wanted;

/// The condition that no workspace fails on which a rule could act: at the tick `$1`
/// (`$2` in seconds since 1970) by what its schedule comes to then (`w.start_bound`), or ever.
pub(super) struct Condition {
    /// Without each workspace's own owner, template and job: what this leaves out, which is
    /// nearly all, costs no further look-up.
    pub first: String,
    /// All of it.
    pub whole: String,
}

/// See [`Condition`]. A rule that may not act asks for nothing.
pub(super) fn candidates(product: &Product, policy: &Policy, at_tick: Option<Wanted>) -> Condition {
    let mut ended = format!("j.{} IS NOT NULL", provisioner_jobs::COMPLETED_AT.name);
    if product.signs.job_status {
        ended.push_str(&format!(" OR j.{} <> ''", provisioner_jobs::ERROR.name));
    }
    let mut first = Vec::new();
    let mut second = Vec::new();
    for rule in ActingRule::ALL {
        if product.signs.bring(rule) && policy.allows(rule) {
            let asked = asked_of(rule, product, at_tick);
            if let Some(unended) = asked.unended {
                ended.push_str(&format!(" OR {unended}"));
            }
            first.push(asked.first);
            second.push(asked.second);
        }
    }
    if first.is_empty() {
        // No rule may act.
        first.push("false".to_owned());
        second.push("false".to_owned());
    }
    let tick = if at_tick.is_some() {
        // Both parameters always have their place, whichever rules use them.
        " AND $1::pg_catalog.timestamptz IS NOT NULL AND $2::pg_catalog.float8 IS NOT NULL"
    } else {
        ""
    };
    let first = format!("(({}))", first.join(") OR ("));
    let whole = format!(
        "w.owner_id <> '{PREBUILDS_OWNER}' AND ({ended})
         AND {first} AND (({})){tick}",
        second.join(") OR ("),
    );
    Condition { first, whole }
}

/// What SQL asks of a workspace for a rule's sake, never more than the rule itself would.
struct Asked {
    /// Of the workspace and its latest build alone.
    first: String,
    /// Also of its own owner, template and job.
    second: String,
    /// When the rule does not wait for the latest job to end, if there is such a case.
    unended: Option<String>,
}

impl Asked {
    /// What needs no more than the workspace and its latest build.
    fn once(condition: String) -> Asked {
        Asked {
            first: condition.clone(),
            second: condition,
            unended: None,
        }
    }
}

/// What may be left out for a rule that is in force. A rule that leaves nothing out says
/// `true`.
fn asked_of(rule: ActingRule, product: &Product, at_tick: Option<Wanted>) -> Asked {
    let signs = &product.signs;
    let w = |column: Column| product.read("w", column);
    match rule {
        ActingRule::Autostop => {
            let deadline = product.read("b", workspace_builds::DEADLINE);
            let mut stop = format!(
                "b.transition = 'start' AND ({deadline} <> '0001-01-01 00:00:00+00'{}",
                if at_tick.is_some() {
                    format!(" AND {deadline} <= $1")
                } else {
                    String::new()
                }
            );
            if signs.suspended_owner {
                stop.push_str(&format!(
                    " OR w.owner_id IN (SELECT s.id FROM {} s WHERE s.status = 'suspended')",
                    product.table(users::TABLE)
                ));
            }
            stop.push(')');
            Asked::once(stop)
        }
        ActingRule::Autostart => {
            let mut start = "b.transition = 'stop' AND w.autostart_schedule <> ''".to_owned();
            if signs.dormancy {
                start.push_str(&format!(" AND {} IS NULL", w(workspaces::DORMANT_AT)));
            }
            if let Some(wanted) = at_tick {
                let created_at = product.read("b", workspace_builds::CREATED_AT);
                // What is not known leaves nothing out.
                let before = format!("({created_at} < w.start_bound) IS NOT FALSE");
                start.push_str(&match wanted {
                    _ if !signs.next_start_at => format!(" AND {before}"),
                    Wanted::Due | Wanted::ByThen => format!(
                        " AND (w.next_start_at IS NULL OR w.next_start_at <= $1) AND {before}"
                    ),
                    Wanted::DueAndEmpty => format!(
                        " AND (w.next_start_at IS NULL OR w.next_start_at <= $1 AND {before})"
                    ),
                });
            }
            let mut asked = Asked::once(start);
            if signs.active_owner {
                asked.second.push_str(" AND u.status = 'active'");
            }
            asked
        }
        ActingRule::Failed => Asked {
            first: format!(
                "w.template_id IN (SELECT f.id FROM {} f WHERE f.failure_ttl > 0)",
                product.table(templates::TABLE)
            ),
            second: "t.failure_ttl > 0 AND j.error <> ''".to_owned(),
            unended: None,
        },
        ActingRule::Dormancy => {
            let templates = product.table(templates::TABLE);
            let ttl = product.name_of(templates::TIME_TIL_DORMANT);
            let dormant_at = w(workspaces::DORMANT_AT);
            let some = format!("EXISTS (SELECT FROM {templates} d WHERE d.{ttl} > 0)");
            let mut first = format!("{dormant_at} IS NULL AND {some}");
            let mut second = format!("{dormant_at} IS NULL AND t.{ttl} > 0");
            if at_tick.is_some() {
                let last_used_at = w(workspaces::LAST_USED_AT);
                let last_used_at = format!("pg_catalog.date_part('epoch', {last_used_at})");
                // A second of slack for what a double can't hold.
                let before = |ttl: &str| {
                    format!("$2 - {ttl}::pg_catalog.float8 / '1e9'::pg_catalog.float8 + 1")
                };
                first.push_str(&format!(
                    " AND {last_used_at} < (SELECT {} FROM {templates} d WHERE d.{ttl} > 0)",
                    before(&format!("pg_catalog.min(d.{ttl})"))
                ));
                second.push_str(&format!(
                    " AND {last_used_at} < {}",
                    before(&format!("t.{ttl}"))
                ));
            }
            // The mark alone needs no build, and so does not wait for one.
            let unended = signs
                .failed_stop
                .then(|| format!("b.transition <> 'start' AND {second}"));
            Asked {
                first,
                second,
                unended,
            }
        }
        ActingRule::Delete => {
            let dormant_at = w(workspaces::DORMANT_AT);
            let mut delete = format!("{dormant_at} IS NOT NULL AND w.deleting_at IS NOT NULL");
            if at_tick.is_some() {
                delete.push_str(&format!(" AND {} < $1", w(workspaces::DELETING_AT)));
            }
            Asked::once(delete)
        }
        ActingRule::Remind => {
            let deadline = product.read("b", workspace_builds::DEADLINE);
            let told = product.read("b", workspace_builds::NOTIFIED_AUTOSTOP_DEADLINE);
            let window = |alias| product.read(alias, templates::TIME_TIL_AUTOSTOP_NOTIFY);
            let mut first = format!(
                "b.transition = 'start' AND {deadline} <> '0001-01-01 00:00:00+00'
                 AND {told} IS DISTINCT FROM {deadline}
                 AND w.template_id IN (SELECT n.id FROM {} n WHERE {} > 0)",
                product.table(templates::TABLE),
                window("n")
            );
            let mut second = format!("{} > 0", window("t"));
            if let Some(wanted) = at_tick {
                if wanted != Wanted::ByThen {
                    first.push_str(&format!(" AND {deadline} > $1"));
                }
                // As with dormancy, a second of slack.
                second.push_str(&format!(
                    " AND pg_catalog.date_part('epoch', {deadline})
                      <= $2 + {}::pg_catalog.float8 / '1e9'::pg_catalog.float8 + 1",
                    window("t")
                ));
            }
            Asked {
                first,
                second,
                unended: None,
            }
        }
    }
}

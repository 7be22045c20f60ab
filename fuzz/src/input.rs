//! Inputs from bytes.

use arbitrary::{Result, Unstructured};
use uuid::Uuid;
use workspace_autobuild::instant::{Instant, MINUTE, Micros, Nanos, SECOND};
use workspace_autobuild::lifecycle::facts::{
    BuildTransition, Facts, Job, LatestBuild, OwnerStatus, PREBUILDS_OWNER, Template,
};
use workspace_autobuild::lifecycle::policy::{MissedStarts, Policy};
use workspace_autobuild::lifecycle::rules::{ActingRule, RuleSet};
use workspace_autobuild::lifecycle::signs::Signs;
use workspace_autobuild::new_build::inputs::{
    Definition, ImportJob, Preset, PreviousSource, PreviousValue,
};

/// Somewhere in March 2024, when some clocks are moved.
const MARCH: i64 = 1_709_600_000;

/// An instant: most of them close to each other, so that they bear on one another.
pub(crate) fn instant(u: &mut Unstructured<'_>) -> Result<Instant> {
    Ok(match u.int_in_range(0..=7)? {
        0 => Instant::MIN.saturating_add_micros(u.int_in_range(0..=i64::MAX)?),
        1 => Instant::NO_TIME,
        2 => Instant::MAX,
        // A year or two around it.
        3 => near(i64::from(u.arbitrary::<i16>()?) * 25 * MINUTE),
        _ => near(i64::from(u.arbitrary::<i16>()?) * MINUTE / 4),
    })
}

fn near(micros: i64) -> Instant {
    let march = Instant::from_unix_seconds(MARCH).expect("a time of today");
    march.saturating_add_micros(micros)
}

fn maybe_instant(u: &mut Unstructured<'_>) -> Result<Option<Instant>> {
    if u.arbitrary()? {
        instant(u).map(Some)
    } else {
        Ok(None)
    }
}

fn id(u: &mut Unstructured<'_>) -> Result<Uuid> {
    Ok(match u.int_in_range(0..=9)? {
        9 => PREBUILDS_OWNER,
        n => Uuid::from_u128(n),
    })
}

/// Nanoseconds, of a few minutes or of any length.
fn nanoseconds(u: &mut Unstructured<'_>) -> Result<Nanos> {
    Ok(Nanos(match u.int_in_range(0..=3)? {
        0 => u.arbitrary()?,
        1 => i64::from(u.arbitrary::<i16>()?) * 30_000_000_001,
        _ => i64::from(u.arbitrary::<i8>()?) * 60_000_000_000,
    }))
}

fn one_of(u: &mut Unstructured<'_>, texts: &[&str]) -> Result<String> {
    if u.ratio(1, 6)? {
        u.arbitrary()
    } else {
        Ok((*u.choose(texts)?).to_owned())
    }
}

/// Any rules in force.
pub(crate) fn signs(u: &mut Unstructured<'_>) -> Result<Signs> {
    let bits: u32 = u.arbitrary()?;
    let bit = |n: u32| bits >> n & 1 == 1;
    Ok(Signs {
        failed_stop: bit(0),
        dormancy: bit(1),
        dormancy_reason: bit(2),
        deletion: bit(3),
        job_status: bit(4),
        automatic_updates: bit(5),
        require_active_version: bit(6),
        blocked_days: bit(7),
        active_owner: bit(8),
        empty_owner_tag: bit(9),
        workspace_tags: bit(10),
        suspended_owner: bit(11),
        next_start_at: bit(12),
        dynamic: bit(13),
        provisioner: bit(14),
        preset: bit(17),
        task_row: bit(15),
        task_pause: bit(16),
        reminder: bit(18),
    })
}

/// Any settings of the operator's.
pub(crate) fn policy(u: &mut Unstructured<'_>) -> Result<Policy> {
    let bits: u8 = u.arbitrary()?;
    let mut rules = RuleSet::default();
    for (n, rule) in ActingRule::ALL.into_iter().enumerate() {
        // The other bits are taken.
        let among = if n < 5 {
            bits >> n & 1 == 1
        } else {
            u.arbitrary()?
        };
        if among {
            rules = rules.with(rule);
        }
    }
    Ok(Policy {
        rules,
        licensed: bits >> 5 & 1 == 1,
        failed_stop_retry: bits >> 6 & 1 == 1,
        missed_starts: MissedStarts::Drop,
        // As the setting has it.
        spread_starts: Micros(u.int_in_range(0..=3600)? * SECOND),
        notify_owners: u.arbitrary()?,
        // From 0 to 100 years, as the setting has it.
        max_start_delay: Micros(match bits >> 7 {
            0 => 0,
            _ if u.arbitrary()? => u.int_in_range(0..=200)? * MINUTE / 2,
            _ => u.int_in_range(0..=100 * 365 * 24 * 60)? * MINUTE,
        }),
    })
}

/// A good import job with these tags.
pub(crate) fn import(tags: Option<String>) -> ImportJob {
    ImportJob {
        id: Uuid::from_u128(7),
        completed: true,
        failed: false,
        canceled: false,
        tags,
    }
}

pub(crate) const NAMES: [&str; 4] = ["a", "b", "c", ""];

/// Any preset.
pub(crate) fn preset(u: &mut Unstructured<'_>) -> Result<Preset> {
    let parameters = (0..u.int_in_range(0..=3)?)
        .map(|_| Ok((one_of(u, &NAMES)?, one_of(u, &["", "a", "5"])?)))
        .collect::<Result<_>>()?;
    Ok(Preset {
        id: id(u)?,
        parameters,
    })
}

/// Any definition of a parameter.
pub(crate) fn definition(u: &mut Unstructured<'_>) -> Result<Definition> {
    Ok(Definition {
        name: one_of(u, &NAMES)?,
        kind: one_of(u, &["string", "number", "bool", "list(string)"])?,
        default_value: one_of(u, &["", "a", "5", "true", "[]"])?,
        required: u.arbitrary()?,
        ephemeral: u.arbitrary()?,
        options: match u.int_in_range(0..=3)? {
            0 => None,
            1 => Some(one_of(
                u,
                &[
                    "null",
                    r#"[{"value":"a"},{"Value":"5"}]"#,
                    r#"[{"name":"n","value":"true"}]"#,
                    "[null,{}]",
                ],
            )?),
            _ => Some("[]".to_owned()),
        },
        validation_regex: match u.int_in_range(0..=3)? {
            0 => one_of(u, &["^a+$", "[a-z]{2,5}", "(?i)x|\\pL", "(a*)*b"])?,
            1 => u.arbitrary()?,
            _ => String::new(),
        },
        validation_error: one_of(u, &["", "e"])?,
        validation_min: bound(u)?,
        validation_max: bound(u)?,
        validation_monotonic: one_of(u, &["", "increasing", "decreasing"])?,
        form_type: one_of(u, &["", "multi-select", "input"])?,
        legacy_variable_name: one_of(u, &NAMES)?,
    })
}

/// A value that no message may show.
pub(crate) const SECRET: &str = "hunter2-hunter2";

/// Any value that a workspace had, always read.
pub(crate) fn previous(u: &mut Unstructured<'_>) -> Result<PreviousValue> {
    let value: String = one_of(
        u,
        &[
            "", "a", "5", "-0", "true", r#"["a"]"#, "null", "aaaa", SECRET,
        ],
    )?;
    Ok(PreviousValue {
        name: one_of(u, &NAMES)?,
        source: if u.arbitrary()? {
            PreviousSource::Build
        } else {
            PreviousSource::Legacy
        },
        empty: value.is_empty(),
        value: Some(value),
    })
}

fn bound(u: &mut Unstructured<'_>) -> Result<Option<i32>> {
    Ok(match u.int_in_range(0..=3)? {
        0 => Some(u.arbitrary()?),
        1 => Some(u.int_in_range(0..=9)?),
        _ => None,
    })
}

/// Any facts.
pub(crate) fn facts(u: &mut Unstructured<'_>) -> Result<Facts> {
    let statuses = [
        OwnerStatus::Active,
        OwnerStatus::Dormant,
        OwnerStatus::Suspended,
        OwnerStatus::Other,
    ];
    let template = if u.ratio(9, 10)? {
        Some(Template {
            id: id(u)?,
            organization_id: id(u)?,
            active_version_id: id(u)?,
            allow_user_autostart: u.arbitrary()?,
            blocked_days: u.arbitrary()?,
            failure_ttl: nanoseconds(u)?,
            time_til_dormant: nanoseconds(u)?,
            time_til_dormant_autodelete: nanoseconds(u)?,
            time_til_autostop_notify: nanoseconds(u)?,
            require_active_version: u.arbitrary()?,
        })
    } else {
        None
    };
    let latest = if u.ratio(9, 10)? {
        Some(latest(u)?)
    } else {
        None
    };
    Ok(Facts {
        workspace_id: id(u)?,
        owner_id: id(u)?,
        organization_id: id(u)?,
        deleted: u.ratio(1, 10)?,
        dormant_at: maybe_instant(u)?,
        deleting_at: maybe_instant(u)?,
        last_used_at: instant(u)?,
        next_start_at: maybe_instant(u)?,
        always_update: u.arbitrary()?,
        has_task: u.arbitrary()?,
        owner: if u.ratio(9, 10)? {
            Some(*u.choose(&statuses)?)
        } else {
            None
        },
        template,
        latest,
        schedule: if u.arbitrary()? {
            Some(one_of(
                u,
                &[
                    "* * * * *",
                    "CRON_TZ=Europe/Berlin 30 2 * * 0,6",
                    "CRON_TZ=America/New_York */7 * * * 1-5",
                    "0 9 * * *",
                    "0 9 * * ,",
                    "",
                ],
            )?)
        } else {
            None
        },
    })
}

fn latest(u: &mut Unstructured<'_>) -> Result<LatestBuild> {
    let transitions = [
        BuildTransition::Start,
        BuildTransition::Stop,
        BuildTransition::Delete,
    ];
    Ok(LatestBuild {
        id: id(u)?,
        build_number: u.arbitrary()?,
        transition: *u.choose(&transitions)?,
        created_at: instant(u)?,
        deadline: maybe_instant(u)?,
        notified_deadline: maybe_instant(u)?,
        template_version_id: id(u)?,
        job: if u.ratio(9, 10)? {
            Some(Job {
                completed_at: maybe_instant(u)?,
                canceled_at: maybe_instant(u)?,
                failed: u.arbitrary()?,
            })
        } else {
            None
        },
    })
}

//! What must hold of the builds and of the history of them.

use postgres::Client;

use crate::product::extension_schema;

use super::{broken, has_column};

/// What does not hold of the builds, a line each.
pub(super) fn builds(client: &mut Client) -> Vec<String> {
    // Where the product evaluates parameters itself, stored definitions prove nothing.
    let classic = if has_column(client, "templates", "use_classic_parameter_flow") {
        "t.use_classic_parameter_flow"
    } else {
        "true"
    };
    let parameters = format!(
        "SELECT b.id, string_agg(d.name, ',' ORDER BY d.name), string_agg(p.name, ',' ORDER BY p.name)
           FROM workspace_builds b
           JOIN template_versions v ON v.id = b.template_version_id
           JOIN templates t ON t.id = v.template_id
          CROSS JOIN LATERAL (
              SELECT name FROM template_version_parameters WHERE template_version_id = v.id
              UNION SELECT name FROM workspace_build_parameters WHERE workspace_build_id = b.id) n
           LEFT JOIN template_version_parameters d
                  ON d.template_version_id = v.id AND d.name = n.name
           LEFT JOIN workspace_build_parameters p
                  ON p.workspace_build_id = b.id AND p.name = n.name
          WHERE b.reason <> 'initiator' AND {classic}
          GROUP BY b.id HAVING count(d.name) <> count(*) OR count(p.name) <> count(*)"
    );
    let rules = [
        (
            "a build has its job, and the job's input names it",
            "SELECT b.id, j.id, j.type, j.input FROM workspace_builds b
               LEFT JOIN provisioner_jobs j ON j.id = b.job_id
              WHERE j.type IS DISTINCT FROM 'workspace_build'
                 OR j.input->>'workspace_build_id' IS DISTINCT FROM b.id::text",
        ),
        (
            "a build job has its build",
            "SELECT j.id, j.input FROM provisioner_jobs j
              WHERE j.type = 'workspace_build'
                AND NOT EXISTS (SELECT FROM workspace_builds b WHERE b.job_id = j.id)",
        ),
        (
            "build numbers have no gap",
            "SELECT workspace_id, array_agg(build_number ORDER BY build_number)
               FROM workspace_builds GROUP BY workspace_id
             HAVING max(build_number)::bigint - min(build_number) + 1 <> count(*)",
        ),
        (
            "an automatic build has each of its version's parameters and no other",
            &parameters,
        ),
        (
            "a workspace has at most one job that is not complete",
            "SELECT b.workspace_id, array_agg(b.build_number ORDER BY b.build_number)
               FROM workspace_builds b JOIN provisioner_jobs j ON j.id = b.job_id
              WHERE j.completed_at IS NULL GROUP BY b.workspace_id HAVING count(*) > 1",
        ),
        (
            "an automatic build repeats no build, unless that one failed",
            "SELECT b.workspace_id, b.build_number, b.transition, b.reason
               FROM workspace_builds b
               JOIN workspace_builds before ON before.workspace_id = b.workspace_id
                AND before.build_number = b.build_number - 1
               JOIN provisioner_jobs j ON j.id = before.job_id
              WHERE b.reason <> 'initiator' AND b.transition = before.transition
                AND (b.transition = 'start' OR coalesce(j.error, '') = '')",
        ),
    ];
    rules
        .iter()
        .flat_map(|(rule, sql)| broken(client, rule, sql))
        .collect()
}

/// What does not hold of the extension's history, a line each; nothing without it.
pub(super) fn history(client: &mut Client) -> Vec<String> {
    let Some(schema) = extension_schema(client) else {
        return Vec::new();
    };
    let built = format!(
        "SELECT h.transition_id, h.build_id, b.id, b.build_number, b.transition, b.reason
           FROM {schema}.autobuild_transitions h
           LEFT JOIN workspace_builds b ON b.id = h.build_id
          WHERE h.outcome = 'built' AND h.transition NOT IN ('dormant', 'remind')
            AND (b.workspace_id, b.job_id, b.build_number, b.transition::text, b.reason::text)
                IS DISTINCT FROM
                (h.workspace_id, h.job_id, h.build_number, h.transition, h.reason)"
    );
    let recorded = format!(
        "SELECT b.id, b.workspace_id, b.build_number, b.reason, count(h.build_id)
           FROM workspace_builds b
           LEFT JOIN {schema}.autobuild_transitions h
                  ON h.build_id = b.id AND h.outcome = 'built'
          WHERE b.reason IN ('autostart', 'autostop')
          GROUP BY b.id HAVING count(h.build_id) <> 1"
    );
    let mut lines = broken(client, "a transition in the history has its build", &built);
    lines.extend(broken(
        client,
        "an automatic build is in the history once",
        &recorded,
    ));
    let counted = format!(
        "SELECT t.tick_id, t.built, t.conflict, t.blocked, t.failed, t.observed
           FROM {schema}.autobuild_ticks t
           LEFT JOIN {schema}.autobuild_transitions h USING (tick_id)
          GROUP BY t.tick_id
         HAVING (t.built, t.conflict, t.blocked, t.failed, t.observed) IS DISTINCT FROM
                (count(*) FILTER (WHERE h.outcome = 'built'),
                 count(*) FILTER (WHERE h.outcome = 'conflict'),
                 count(*) FILTER (WHERE h.outcome = 'blocked'),
                 count(*) FILTER (WHERE h.outcome = 'failed'),
                 count(*) FILTER (WHERE h.outcome = 'observed'))"
    );
    lines.extend(broken(
        client,
        "a tick's numbers are those of its transitions",
        &counted,
    ));
    let orphans = format!(
        "SELECT h.transition_id, h.tick_id FROM {schema}.autobuild_transitions h
          WHERE NOT EXISTS (SELECT FROM {schema}.autobuild_ticks t WHERE t.tick_id = h.tick_id)"
    );
    lines.extend(broken(client, "a transition has its tick", &orphans));
    lines
}

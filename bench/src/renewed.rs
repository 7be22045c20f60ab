//! Workspaces whose times are today's, for what goes by the server's clock: the worker, and ticks
//! for a time to come.

use postgres::Client;

use crate::data::statement;
use crate::tick::has_row;

/// So many are due now; all others, and these once they are built, not for the next three days.
pub(crate) fn renew(client: &mut Client, due: u32) {
    statement(
        client,
        &format!(
            "CREATE TEMP TABLE renewed AS
             SELECT workspace_id, latest_build_id, kind, zone,
                    row_number() OVER (ORDER BY md5(workspace_id::text)) <= {due} AS due,
                    -- At noon in four days, and so seven days before.
                    date_trunc('day', now() AT TIME ZONE zone) + interval '4 days 12 hours' AS run
               FROM bench.plan WHERE kind <> 'stopped';
             ANALYZE renewed;
             UPDATE workspaces w
                SET autostart_schedule = 'CRON_TZ=' || zone || ' 0 12 * * ' || extract(dow FROM run)
               FROM renewed r WHERE w.id = r.workspace_id AND kind = 'scheduled';
             UPDATE workspace_builds b
                SET created_at = now() - CASE WHEN due THEN interval '8 days' ELSE '0' END,
                    deadline = CASE WHEN kind = 'scheduled' THEN deadline
                                    WHEN due THEN now() - interval '1 minute'
                                    ELSE now() + interval '100 days' END
               FROM renewed r WHERE b.id = r.latest_build_id"
        ),
    );
    let kept = "SELECT FROM pg_attribute
                 WHERE attrelid = 'workspaces'::regclass AND attname = 'next_start_at'";
    if has_row(client, kept) {
        statement(
            client,
            "UPDATE workspaces w
                SET next_start_at =
                    (run - CASE WHEN due THEN interval '7 days' ELSE '0' END) AT TIME ZONE zone
               FROM renewed r WHERE w.id = r.workspace_id AND kind = 'scheduled'",
        );
    }
    statement(client, "VACUUM ANALYZE workspaces");
    statement(client, "VACUUM ANALYZE workspace_builds");
}

CREATE VIEW @extschema@.autobuild_metrics AS
SELECT m.metric, m.labels, m.value
FROM @extschema@.autobuild_worker_metrics() AS m
-- Whoever asks for other metrics by their names does not pay for these: the planner sees it.
UNION ALL
SELECT 'workspace_autobuild_unreadable_schedules'::pg_catalog.text, '{}'::pg_catalog.jsonb, u.unreadable
FROM @extschema@.autobuild_count_unreadable() AS u (unreadable)
UNION ALL
SELECT 'workspace_autobuild_unknown_templates'::pg_catalog.text, '{}'::pg_catalog.jsonb, t.templates
FROM @extschema@.autobuild_count_unknown_templates() AS t (templates);
COMMENT ON VIEW @extschema@.autobuild_metrics IS
    'Counters since the server started, and gauges, of the worker''s ticks in this database, for an exporter.';
COMMENT ON COLUMN @extschema@.autobuild_metrics.metric IS 'The name, which begins with workspace_autobuild_.';
COMMENT ON COLUMN @extschema@.autobuild_metrics.labels IS 'The labels; an empty object if there are none.';
COMMENT ON COLUMN @extschema@.autobuild_metrics.value IS 'The value: a counter since the server started (_total, _bucket, _count, _sum), or a gauge.';
REVOKE ALL ON @extschema@.autobuild_metrics FROM PUBLIC;
GRANT SELECT ON @extschema@.autobuild_metrics TO pg_monitor;
COMMENT ON FUNCTION @extschema@.autobuild_worker_metrics() IS
    'The rows of the view autobuild_metrics but two.';
COMMENT ON FUNCTION @extschema@.autobuild_count_unreadable() IS
    'The value of workspace_autobuild_unreadable_schedules in the view autobuild_metrics; no row while the product''s tables can''t be read.';
COMMENT ON FUNCTION @extschema@.autobuild_count_unknown_templates() IS
    'The value of workspace_autobuild_unknown_templates in the view autobuild_metrics; no row while the product''s tables can''t be read.';
REVOKE ALL ON FUNCTION @extschema@.autobuild_worker_metrics() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.autobuild_worker_metrics() TO pg_monitor;
REVOKE ALL ON FUNCTION @extschema@.autobuild_count_unreadable() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.autobuild_count_unreadable() TO pg_monitor;
REVOKE ALL ON FUNCTION @extschema@.autobuild_count_unknown_templates() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.autobuild_count_unknown_templates() TO pg_monitor;

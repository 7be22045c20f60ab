CREATE VIEW @extschema@.autobuild_metrics AS
SELECT m.metric, m.labels, m.value
FROM @extschema@.autobuild_worker_metrics() AS m;
COMMENT ON VIEW @extschema@.autobuild_metrics IS
    'Counters since the server started, and gauges, of the worker''s ticks in this database, for an exporter.';
COMMENT ON COLUMN @extschema@.autobuild_metrics.metric IS 'The name, which begins with workspace_autobuild_.';
COMMENT ON COLUMN @extschema@.autobuild_metrics.labels IS 'The labels; an empty object if there are none.';
COMMENT ON COLUMN @extschema@.autobuild_metrics.value IS 'The value: a counter since the server started (_total, _bucket, _count, _sum), or a gauge.';
REVOKE ALL ON @extschema@.autobuild_metrics FROM PUBLIC;
GRANT SELECT ON @extschema@.autobuild_metrics TO pg_monitor;
COMMENT ON FUNCTION @extschema@.autobuild_worker_metrics() IS
    'The rows of the view autobuild_metrics.';
REVOKE ALL ON FUNCTION @extschema@.autobuild_worker_metrics() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.autobuild_worker_metrics() TO pg_monitor;

COMMENT ON FUNCTION @extschema@.autobuild_agreement(timestamptz, timestamptz) IS
    'A row for each transition from since up to until that the product''s executor made or ours observed: verdict both, only_ours or only_product, and why only one, if that is known. Left out: users'' builds, dormancy marks, and what is younger than 3 minutes. Needs the rights to read autobuild_transitions and the product''s builds.';
COMMENT ON FUNCTION @extschema@.autobuild_agreement_summary(timestamptz, timestamptz) IS
    'How many rows of autobuild_agreement() have each verdict, how much later the product''s executor is at the median, and all of it in a sentence.';
REVOKE ALL ON FUNCTION @extschema@.autobuild_agreement(timestamptz, timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION @extschema@.autobuild_agreement_summary(timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.autobuild_agreement(timestamptz, timestamptz) TO pg_monitor;
GRANT EXECUTE ON FUNCTION @extschema@.autobuild_agreement_summary(timestamptz, timestamptz) TO pg_monitor;

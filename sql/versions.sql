COMMENT ON FUNCTION @extschema@.autobuild_version_check(uuid) IS
    'Whether starts onto this template version can be made: one row static, or one unknown for each thing in its source that makes it so. Reads the proof that a tick kept; has one made for a caller who may read the table files. Unknown id: P0002.';

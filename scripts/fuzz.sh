#!/usr/bin/env bash
# Fuzzes the pure half: each target under libFuzzer for FUZZ_SECONDS (default 60), from
# the corpora in fuzz/corpus. What breaks something is kept in fuzz/artifacts, what was
# new in target/fuzz-corpus; `fuzz.sh minimise` takes from there into fuzz/corpus what
# the targets need to get as far. FUZZ_TARGETS names some of the targets only.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$project"

CARGO_FUZZ_VERSION=0.13.2

if ! command -v c++ >/dev/null; then
  say "installing g++, which libFuzzer is compiled with"
  as_root apt-get update -qq
  as_root apt-get install -y -qq --no-install-recommends g++
fi
if [ "$(cargo fuzz --version 2>/dev/null)" != "cargo-fuzz $CARGO_FUZZ_VERSION" ]; then
  say "installing cargo-fuzz $CARGO_FUZZ_VERSION (a minute)"
  cargo install cargo-fuzz --version "$CARGO_FUZZ_VERSION" --locked
fi

# No sanitizer: those are the nightly toolchain's, and what is fuzzed has no unsafe code.
# Without the release profile's link-time optimization a build takes seconds.
fuzz() {
  CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    cargo fuzz run --sanitizer none --features libfuzzer "$@"
}

read -ra targets <<<"${FUZZ_TARGETS:-schedule tags parameters verdict template}"
for target in "${targets[@]}"; do
  corpus=fuzz/corpus/$target
  found=target/fuzz-corpus/$target
  mkdir -p "$found"
  case ${1:-run} in
    run)
      say "$target for ${FUZZ_SECONDS:-60} s"
      fuzz "$target" "$found" "$corpus" -- -max_total_time="${FUZZ_SECONDS:-60}" \
        -timeout=5 -rss_limit_mb=1024 -max_len=4096 -print_final_stats=1 -verbosity=0
      ;;
    minimise)
      say "$target"
      kept=$(mktemp -d)
      fuzz "$target" "$kept" "$corpus" "$found" -- -merge=1 -use_counters=0 -verbosity=0
      # What once broke something stays, whatever else gets as far.
      find "$corpus" -type f ! -name 'found-*' -delete
      mv "$kept"/* "$corpus/"
      rmdir "$kept"
      ;;
    *) sed -n '2,5p' "$0" && exit 2 ;;
  esac
done

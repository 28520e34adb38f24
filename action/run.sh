#!/usr/bin/env bash
# The action's work: review the change, check specs, write comment, job summary, annotations and SARIF.
# Reads SPECDIFF_BASE, SPECDIFF_SPECS, SPECDIFF_OUT; runs in the checkout. Never fails itself: it says `failed=true`.
set -uo pipefail
out=${SPECDIFF_OUT:?a folder to write to}
mkdir -p "$out"
failed=false

# A range is empty where the event has no pull request; then the merge base with the main branch counts.
range=${SPECDIFF_BASE:+$SPECDIFF_BASE...HEAD}
specdiff review ${range:+"$range"} --format markdown --output "$out/comment.md" || failed=true
[ -s "$out/comment.md" ] || { printf '<!-- specdiff review -->\nspecdiff could not review this change; the log of the job says why.\n' > "$out/comment.md"; }

if [ -n "${SPECDIFF_SPECS:-}" ]; then
  shopt -s nullglob globstar
  # shellcheck disable=SC2206 # a glob is what the input is
  specs=($SPECDIFF_SPECS)
  if [ ${#specs[@]} -gt 0 ]; then
    specdiff check "${specs[@]}" --format github || failed=true
    specdiff check "${specs[@]}" --format sarif --output "$out/specdiff.sarif" || true
    specdiff check "${specs[@]}" --format junit --output "$out/specdiff.xml" || true
  fi
fi

[ -n "${GITHUB_STEP_SUMMARY:-}" ] && cat "$out/comment.md" >> "$GITHUB_STEP_SUMMARY"
[ -n "${GITHUB_OUTPUT:-}" ] && echo "failed=$failed" >> "$GITHUB_OUTPUT"
exit 0

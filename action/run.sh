#!/usr/bin/env bash
# The action's work: review the change, check specs, write comment, job summary, annotations and SARIF.
# Reads SPECDIFF_BASE, SPECDIFF_HEAD, SPECDIFF_SPECS, SPECDIFF_CHECKPOINTS, SPECDIFF_OUT; runs in the checkout. Never fails itself: it says `failed=true`.
set -uo pipefail
out=${SPECDIFF_OUT:?a folder to write to}
mkdir -p "$out"
failed=false

# A range is empty where the event has no pull request; then the merge base with the main branch counts.
range=${SPECDIFF_BASE:+$SPECDIFF_BASE...HEAD}
# What is checked out of a pull request is its merge into the base of now; the event's base may lie behind that.
if [ -n "${SPECDIFF_HEAD:-}" ] && [ "$(git rev-parse --quiet --verify 'HEAD^2')" = "$SPECDIFF_HEAD" ]; then
  range=HEAD^1..HEAD
fi
options=()
while read -r place; do
  [ -n "$place" ] && options+=(--checkpoint "$place")
done <<< "${SPECDIFF_CHECKPOINTS:-}"
review() { specdiff review ${range:+"$range"} ${options[@]+"${options[@]}"} "$@"; }

review --format markdown --output "$out/comment.md"
code=$?
[ "$code" = 0 ] || failed=true
if [ "$code" -le 1 ]; then
  # The results are kept: these two runs only write them in another form.
  review --format github || true
  review --format sarif --output "$out/specdiff.sarif" || true
else
  echo "::error title=specdiff::the change could not be reviewed; a shallow checkout lacks the base (actions/checkout with fetch-depth 0)"
fi
[ -s "$out/comment.md" ] || { printf '<!-- specdiff review -->\nspecdiff could not review this change; the log of the job says why.\n' > "$out/comment.md"; }

if [ -n "${SPECDIFF_SPECS:-}" ]; then
  shopt -s nullglob globstar
  # shellcheck disable=SC2206 # a glob is what the input is
  specs=($SPECDIFF_SPECS)
  if [ ${#specs[@]} -gt 0 ]; then
    specdiff check "${specs[@]}" --format github || failed=true
    specdiff check "${specs[@]}" --format sarif --output "$out/specdiff-specs.sarif" || true
    specdiff check "${specs[@]}" --format junit --output "$out/specdiff.xml" || true
  else
    echo "::warning title=specdiff::no file matches the specs ${SPECDIFF_SPECS}"
  fi
fi

[ -n "${GITHUB_STEP_SUMMARY:-}" ] && cat "$out/comment.md" >> "$GITHUB_STEP_SUMMARY"
if [ -n "${GITHUB_OUTPUT:-}" ]; then
  {
    echo "failed=$failed"
    echo "sarif=$([ -s "$out/specdiff.sarif" ] && echo true || echo false)"
    echo "specs-sarif=$([ -s "$out/specdiff-specs.sarif" ] && echo true || echo false)"
  } >> "$GITHUB_OUTPUT"
fi
exit 0

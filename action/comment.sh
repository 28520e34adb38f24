#!/usr/bin/env bash
# One comment per pull request: the earlier one, found by its first line, is replaced.
# A token that may not write (pull requests from forks) is no failure: the job summary has the same text.
set -uo pipefail
file=$SPECDIFF_OUT/comment.md
[ -s "$file" ] || exit 0
mark='<!-- specdiff review -->'
comments=repos/$GITHUB_REPOSITORY/issues
id=$(gh api --paginate "$comments/$PULL/comments" --jq ".[] | select(.body | startswith(\"$mark\")) | .id" | head -n 1)
if [ -n "$id" ]; then
  said=$(gh api --method PATCH "$comments/comments/$id" -F "body=@$file" 2>&1 > /dev/null)
else
  said=$(gh api --method POST "$comments/$PULL/comments" -F "body=@$file" 2>&1 > /dev/null)
fi || echo "::notice title=specdiff::the review is in the job summary; it could not be a comment: ${said//$'\n'/ }"
exit 0

#!/usr/bin/env bash
# One comment per pull request: the earlier one, found by its first line, is replaced.
set -euo pipefail
file=$SPECDIFF_OUT/comment.md
[ -s "$file" ] || exit 0
mark='<!-- specdiff review -->'
id=$(gh api --paginate "repos/$GITHUB_REPOSITORY/issues/$PULL/comments" \
  --jq ".[] | select(.body | startswith(\"$mark\")) | .id" | head -n 1)
if [ -n "$id" ]; then
  gh api --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id" -F "body=@$file" > /dev/null
else
  gh api --method POST "repos/$GITHUB_REPOSITORY/issues/$PULL/comments" -F "body=@$file" > /dev/null
fi

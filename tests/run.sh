#!/usr/bin/env bash
# The whole suite: always on SQLite; on PostgreSQL and Redis too, where they can be reached; with a browser where
# there is one. What cannot run is named at the end, and with RISKREG_REQUIRE_ALL=yes (as in CI) it is a failure.
set -u
PY=$1 WORKERS=$2
missing=() failed=()

database=${TEST_DATABASE_URL:-${DATABASE_URL:-postgres://root@127.0.0.1:5432/postgres}}
redis=${TEST_REDIS_URL:-${REDIS_URL:-redis://127.0.0.1:6379/9}}
unset DATABASE_URL REDIS_URL
"$PY" - "$database" <<'PY' 2>/dev/null || { missing+=("PostgreSQL (set DATABASE_URL to a server where databases may be created)"); database=""; }
import sys, dj_database_url, psycopg2
d = dj_database_url.parse(sys.argv[1])
psycopg2.connect(host=d["HOST"] or None, port=d["PORT"] or None, user=d["USER"], password=d["PASSWORD"], dbname=d["NAME"], connect_timeout=3)
PY
"$PY" -c 'import sys, redis; redis.Redis.from_url(sys.argv[1], socket_connect_timeout=3).ping()' "$redis" 2>/dev/null ||
  { missing+=("Redis (set REDIS_URL)"); redis=""; }
chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -n "$chromium" ] || missing+=("a browser (install chromium, or set CHROMIUM)")
command -v xgettext >/dev/null || missing+=("gettext (for the test that no string is untranslated)")
if [ ${#missing[@]} -gt 0 ] && [ "${RISKREG_REQUIRE_ALL:-no}" = yes ]; then
  printf 'Cannot test without: %s\n' "${missing[@]}"
  exit 1
fi

run() { # name, then the command
  echo "== $1"
  shift
  "$@" || failed+=("$*")
}
export CHROMIUM=$chromium TEST_REDIS_URL=$redis TEST_DATABASE_URL=$database
var=$(mktemp -d)
trap 'rm -rf "$var"' EXIT
export RISKREG_VAR=$var

not_here=""
[ -n "$chromium" ] || not_here=" and not browser"
[ -n "$redis" ] && [ -n "$database" ] || not_here="$not_here and not services"
command -v xgettext >/dev/null || not_here="$not_here and not gettext"
run "SQLite" "$PY" -m pytest -q -n "$WORKERS" --dist loadscope ${not_here:+-m "${not_here# and }"}
if [ -n "$database" ]; then
  run "PostgreSQL" env DATABASE_URL="$database" SECRET_KEY=test "$PY" -m pytest -q -n "$WORKERS" --dist loadscope \
    -m "not browser and not services and not gettext and not embedded"
fi
for name in "${missing[@]}"; do echo "NOT TESTED, missing: $name"; done
if [ ${#failed[@]} -gt 0 ]; then
  printf 'FAILED: %s\n' "${failed[@]}"
  exit 1
fi

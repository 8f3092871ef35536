# What the smoke tests share. Each is given the folder of the built examples, and runs in an empty one of its own.
set -u

examples=$(realpath "$1")
name=$(basename "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
failures=0

fail() {
  echo "$name: $*" >&2
  failures=$((failures + 1))
}

# Runs an example, which must end within a minute; leaves what it wrote in $out and $err, and its exit code in $code.
run() {
  timeout 60 "$examples/$@" >out 2>err
  code=$?
  out=$(cat out)
  err=$(cat err)
}

exits_with() { [ "$code" = "$1" ] || fail "exit code $code, not $1, with: $out $err"; }

equals() { [ "$1" = "$2" ] || fail "this was expected:
$2
and this has come:
$1"; }

contains() { [[ $1 == *"$2"* ]] || fail "this was expected somewhere:
$2
and this has come:
$1"; }

# Starts an example in the background, as $pid; its standard error can be followed.
start() {
  mkfifo told
  "$examples/$@" >out 2>told </dev/null &
  pid=$!
  exec 3<told
  err=
}

# Reads on in standard error, up to a line with such a text.
follow() {
  local line
  while read -r -t 60 -u 3 line; do
    err+=$line$'\n'
    [[ $line != *"$1"* ]] || return 0
  done
  fail "it never told: $1, but: $err"
}

# Takes the end of what was started, and the rest of what it tells.
finish() {
  local rest
  read -r -t 60 -d '' -u 3 rest
  err+=$rest
  wait "$pid"
  code=$?
  out=$(cat out)
}

# To be called last.
passed() { exit $((failures > 0)); }

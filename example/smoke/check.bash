# Functions for the smoke tests. The argument of a test is the folder of the built examples. It runs in an empty folder.
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

# Runs an example, for at most a minute. Sets $out and $err to its output and $code to its exit code.
run() {
  timeout 60 "$examples/$@" >out 2>err
  code=$?
  out=$(cat out)
  err=$(cat err)
}

exits_with() { [ "$code" = "$1" ] || fail "exit code $code, expected $1; output: $out $err"; }

equals() { [ "$1" = "$2" ] || fail "expected:
$2
actual:
$1"; }

contains() { [[ $1 == *"$2"* ]] || fail "expected text:
$2
actual:
$1"; }

# Starts an example in the background and sets $pid. `follow` reads its standard error.
start() {
  rm -f messages
  mkfifo messages
  "$examples/$@" >out 2>messages </dev/null &
  pid=$!
  exec 3<messages
  err=
}

# Reads standard error up to a line that contains the text.
follow() {
  local line
  while read -r -t 60 -u 3 line; do
    err+=$line$'\n'
    [[ $line != *"$1"* ]] || return 0
  done
  fail "standard error lacks: $1; actual: $err"
}

# Waits for the started example, and reads the rest of its standard error.
finish() {
  local rest
  read -r -t 60 -d '' -u 3 rest
  err+=$rest
  wait "$pid"
  code=$?
  out=$(cat out)
}

# The last call of a test.
passed() { exit $((failures > 0)); }

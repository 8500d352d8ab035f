#!/usr/bin/env bash
# Tries every operation of a running Cairn with curl, one line each.
#   API_KEY=s3_key_… [GATEWAY_URL=http://127.0.0.1:7841] ./test-api.sh
# Prints "ok  <name>" or "FAIL <name>: expected …, got …". Exit code 0: all ok; 1: something failed; 2: not tried at
# all. Uses buckets and a user with names of its own and takes them away again, also after a failure.
set -u

gateway=${GATEWAY_URL:-http://127.0.0.1:7841}
gateway=${gateway%/}
key=${API_KEY:-}

stop() {
  echo "test-api.sh: $1" >&2
  exit 2
}

[ -n "$key" ] || stop "API_KEY is not set. Give an admin key: API_KEY=s3_key_… [GATEWAY_URL=$gateway] ./test-api.sh"
command -v curl >/dev/null || stop "curl is not installed."

work=$(mktemp -d)
run=test-api-$$-$RANDOM
bucket=$run
user_id=
passed=0
failed=0
status=

# ---- requests ----

# request METHOD PATH [curl options…]: leaves $status, $work/head and $work/body. No key is sent.
request() {
  local method=$1 path=$2
  shift 2
  : >"$work/body"
  : >"$work/head"
  local how=(-X "$method")
  [ "$method" = HEAD ] && how=(--head)
  # Expect: of large uploads would only add a round trip; paths and brackets go out as they stand.
  status=$(curl --silent --path-as-is --globoff --max-time 60 "${how[@]}" -H 'Expect:' \
    -o "$work/body" -D "$work/head" -w '%{http_code}' "$@" "$gateway$path" 2>"$work/curl") || status="curl: $(<"$work/curl") $status"
}

# The same with the admin's key, or with another: as KEY METHOD PATH …
as() {
  local with=$1
  shift
  request "$@" -H "Authorization: Bearer $with"
}
call() { as "$key" "$@"; }
# put PATH BODY [curl options…]: as text/plain unless the options say otherwise.
put() {
  local path=$1 body=$2 type='Content-Type: text/plain'
  shift 2
  case "$*" in *Content-Type:*) type='X-Type: given' ;; esac
  call PUT "$path" --data-binary "$body" -H "$type" "$@"
}
# api METHOD PATH [JSON]
api() {
  if [ $# -gt 2 ]; then
    call "$1" "/_/api/v1$2" -H 'Content-Type: application/json' --data-binary "$3"
  else
    call "$1" "/_/api/v1$2"
  fi
}

# ---- checks ----

ok() {
  passed=$((passed + 1))
  echo "ok  $1"
}
fail() {
  failed=$((failed + 1))
  echo "FAIL $1: expected $2, got $3"
}
body_text() { head -c 300 "$work/body" | tr '\n\0' '  '; }

# expect NAME STATUS [TEXT…]: the status, and every text in the body.
expect() {
  local name=$1 wanted=$2 text
  shift 2
  if [ "$status" != "$wanted" ]; then
    fail "$name" "status $wanted" "$status $(body_text)"
    return
  fi
  for text in "$@"; do
    if ! grep -qF -- "$text" "$work/body"; then
      fail "$name" "an answer with $text" "$(body_text)"
      return
    fi
  done
  ok "$name"
}
# expect_body NAME STATUS BODY: the status, and the whole body, byte for byte.
expect_body() {
  if [ "$status" != "$2" ]; then
    fail "$1" "status $2" "$status $(body_text)"
  elif printf %s "$3" | cmp -s - "$work/body"; then
    ok "$1"
  else
    fail "$1" "the body \"$3\"" "\"$(body_text)\""
  fi
}
# expect_file NAME STATUS FILE
expect_file() {
  if [ "$status" != "$2" ]; then
    fail "$1" "status $2" "$status $(body_text)"
  elif cmp -s "$3" "$work/body"; then
    ok "$1"
  else
    fail "$1" "the bytes that were sent" "$(wc -c <"$work/body") other bytes"
  fi
}
# expect_without NAME STATUS TEXT: the status, and a body that does not hold the text.
expect_without() {
  if [ "$status" = "$2" ] && ! grep -qF -- "$3" "$work/body"; then
    ok "$1"
  else
    fail "$1" "status $2 without $3" "$status $(body_text)"
  fi
}
# A header field of the answer.
header() { tr -d '\r' <"$work/head" | sed -n "s/^$1: //Ip" | tail -1; }
# expect_header NAME STATUS FIELD VALUE [FIELD VALUE…]
expect_header() {
  local name=$1 wanted=$2 got
  shift 2
  if [ "$status" != "$wanted" ]; then
    fail "$name" "status $wanted" "$status $(body_text)"
    return
  fi
  while [ $# -gt 0 ]; do
    got=$(header "$1")
    if [ "$got" != "$2" ]; then
      fail "$name" "$1: $2" "$1: $got"
      return
    fi
    shift 2
  done
  ok "$name"
}
# The first string of a name in a JSON answer.
json_first() { grep -o "\"$1\":\"[^\"]*\"" "$work/body" | head -1 | cut -d'"' -f4; }

# until_status WANTED SECONDS COMMAND…: asks again until the status comes; changes of keys take up to 5 s.
until_status() {
  local wanted=$1 until=$((SECONDS + $2))
  shift 2
  "$@"
  while [ "$status" != "$wanted" ] && [ $SECONDS -lt $until ]; do
    sleep 0.5
    "$@"
  done
}

# ---- nothing is left behind ----

empty_and_delete() {
  local path round
  for round in 1 2 3 4 5; do
    call GET "/$1?list-type=2&encoding-type=url" -H 'Accept: application/xml'
    grep -q '<Key>' "$work/body" || break
    for path in $(grep -o '<Key>[^<]*' "$work/body" | sed 's/^<Key>//'); do
      call DELETE "/$1/$path"
    done
  done
  call DELETE "/$1"
}
# Tidies once, and says when something stays behind; the rest is in the trap, whatever happened before.
tidy() {
  trap - EXIT
  local name left=
  for name in "$bucket" "$bucket-of-user" "$bucket-limited"; do
    empty_and_delete "$name"
    call HEAD "/$name"
    [ "$status" = 404 ] || left="$left bucket $name"
  done
  if [ -n "$user_id" ]; then
    api DELETE "/users/$user_id"
    api GET "/users/$user_id"
    [ "$status" = 404 ] || left="$left user $user_id"
  fi
  rm -rf "$work"
  if [ -z "$left" ]; then ok "nothing is left behind"; else fail "nothing is left behind" nothing "$left"; fi
}
finish() {
  tidy
  echo "$passed ok, $failed failed"
  [ "$failed" -eq 0 ] && exit 0
  exit 1
}
trap 'echo "stopped early" >&2; failed=$((failed + 1)); finish' EXIT
trap 'exit 130' INT TERM

give_up() {
  trap - EXIT
  rm -rf "$work"
  stop "$1"
}
request GET /_/health/live
[ "$status" = 200 ] || give_up "no Cairn answers at $gateway ($status). Start one with \`npm start\`, or set GATEWAY_URL."
call GET /_/api/v1/whoami
[ "$status" = 200 ] || give_up "$gateway does not take API_KEY (status $status): $(body_text)"
grep -q '"admin":true' "$work/body" || give_up "API_KEY is not an admin's key; users and keys could not be tried."

# ---- health, metrics, description ----

request GET /_/health/live
expect "health: live" 200 '"status":"ok"'
request GET /_/health/ready
expect "health: ready" 200 '"status":"ok"'
expect_without "health: no details without a key" 200 dependencies
call GET /_/health/ready
expect "health: ready with its dependencies, for admins" 200 '"dependencies":' '"latencyMs":'
request GET /health
expect "health: /health" 200 '"status":"ok"'
call GET /_/metrics
expect "metrics" 200 cairn_gateway_requests_total cairn_gateway_request_duration_seconds_bucket
request GET /_/metrics
expect "metrics: refused without a key" 401
request GET /_/openapi.json
expect "openapi: document" 200 '"openapi":"3.1.0"' '"WhoAmI"'
request GET /_/docs
expect "openapi: readable page" 200 '/_/api/v1/users'
call GET /_/api/v1/whoami
expect "whoami" 200 '"userName":' '"permissions":'
call GET /_/api/v1/permissions
expect "permissions" 200 '"read"' '"write"' '"admin"'

# ---- buckets ----

call PUT "/$bucket"
expect "bucket: create" 200 "\"name\":\"$bucket\"" '"created":true'
call PUT "/$bucket"
expect "bucket: create again has no effect" 200 '"created":false'
call HEAD "/$bucket"
expect "bucket: head" 200
call HEAD "/$bucket-absent"
expect "bucket: head of an absent one" 404
call GET /
expect "bucket: list" 200 "\"name\":\"$bucket\""
call GET / -H 'Accept: application/xml'
expect "bucket: list as XML" 200 "<Name>$bucket</Name>" '<ListAllMyBucketsResult'
for name in ab Upper-Case under_score a..b 192.168.0.1 health -a- "$(printf 'x%.0s' {1..64})"; do
  call PUT "/$name"
  expect "bucket: bad name ${name:0:20}" 400 InvalidBucketName
done
call GET "/$bucket?policy"
expect "bucket: what is not implemented says so" 501 NotImplemented

# ---- objects ----

digits_md5=781e5e245d69b566979b86e28d23f2c7
put "/$bucket/digits" 0123456789
expect "put" 200 "\"etag\":\"$digits_md5\"" '"sizeBytes":10'
call GET "/$bucket/digits"
expect_body "get" 200 0123456789
expect_header "get: headers" 200 ETag "\"$digits_md5\"" Content-Length 10 Content-Type text/plain Accept-Ranges bytes
modified=$(header Last-Modified)
call HEAD "/$bucket/digits"
expect_header "head" 200 ETag "\"$digits_md5\"" Content-Length 10
[ -n "$(header x-amz-request-id)" ] && ok "x-amz-request-id" || fail "x-amz-request-id" "the header" none
call GET "/$bucket/absent"
expect "get: absent" 404 NoSuchKey '"requestId":' '"resource":'
call GET "/$bucket/absent" -H 'Accept: application/xml'
expect "get: absent, error as XML" 404 '<Code>NoSuchKey</Code>'
put "/$bucket/empty" ''
expect "put: empty" 200 '"sizeBytes":0'
call GET "/$bucket/empty"
expect_body "get: empty" 200 ''
put "/$bucket/digits2" first && put "/$bucket/digits2" second
call GET "/$bucket/digits2"
expect_body "put: the last write is what is read" 200 second

head -c 5242897 /dev/urandom >"$work/large"
call PUT "/$bucket/large" -T "$work/large"
expect "put: 5 MiB" 200 '"sizeBytes":5242897'
call GET "/$bucket/large"
expect_file "get: 5 MiB" 200 "$work/large"
call PUT "/$bucket/chunked" -H 'Transfer-Encoding: chunked' -T - <"$work/large"
expect "put: chunked, with no length" 200 '"sizeBytes":5242897'
call GET "/$bucket/chunked"
expect_file "get: what came chunked" 200 "$work/large"
call GET "/$bucket/large" -r 1048570-1048589
head -c 1048590 "$work/large" | tail -c 20 >"$work/part"
expect_file "range: across blocks of a large object" 206 "$work/part"

# ---- headers and metadata ----

put "/$bucket/headers" x -H 'Content-Type: text/css' -H 'Cache-Control: max-age=5' -H 'Content-Language: de' \
  -H 'Content-Disposition: attachment; filename="a.css"' -H 'Content-Encoding: identity' \
  -H 'Expires: Thu, 01 Dec 2050 16:00:00 GMT' -H 'x-amz-meta-colour: blue' -H 'x-amz-meta-__proto__: kept'
for method in GET HEAD; do
  call $method "/$bucket/headers"
  expect_header "headers and metadata: $method" 200 Content-Type text/css Cache-Control max-age=5 Content-Language de \
    Content-Disposition 'attachment; filename="a.css"' Content-Encoding identity \
    Expires 'Thu, 01 Dec 2050 16:00:00 GMT' x-amz-meta-colour blue x-amz-meta-__proto__ kept
done
put "/$bucket/refused" x -H "x-amz-meta-a: $(printf 'v%.0s' {1..2048})"
expect "metadata: over 2 KB" 400 MetadataTooLarge
put "/$bucket/refused" x -H 'x-amz-meta-a: ☃'
expect "metadata: beyond Latin-1 and not encoded" 400 InvalidArgument
call GET "/$bucket/headers?response-content-type=text%2Fhtml&response-cache-control=no-store&response-content-language=fr&response-content-encoding=br&response-expires=0&response-content-disposition=inline"
expect_header "response-*" 200 Content-Type text/html Cache-Control no-store Content-Language fr Content-Encoding br \
  Expires 0 Content-Disposition inline

# ---- checksums ----

checksum() { # checksum NAME FIELD GOOD BAD
  put "/$bucket/summed" 0123456789 -H "$2: $3"
  expect "checksum: $1 good" 200
  put "/$bucket/refused" 0123456789 -H "$2: $4"
  expect "checksum: $1 bad" 400 BadDigest
}
checksum Content-MD5 Content-MD5 'eB5eJF1ptWaXm4bijSPyxw==' 'AAAAAAAAAAAAAAAAAAAAAA=='
checksum CRC32 x-amz-checksum-crc32 'poTHxg==' 'AAAAAA=='
checksum CRC32C x-amz-checksum-crc32c 'KAwGng==' 'AAAAAA=='
checksum CRC64NVME x-amz-checksum-crc64nvme 'Ffmx7kz9nB0=' 'AAAAAAAAAAA='
checksum SHA1 x-amz-checksum-sha1 'h6zsF82dzSCnFsws9nQXtxyKcBY=' 'AAAAAAAAAAAAAAAAAAAAAAAAAAA='
checksum SHA256 x-amz-checksum-sha256 'hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=' 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='
call GET "/$bucket/summed" -H 'x-amz-checksum-mode: ENABLED'
expect_header "checksum: shown on demand" 200 x-amz-checksum-sha256 hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=
put "/$bucket/refused" x -H 'Content-MD5: abc'
expect "checksum: broken Content-MD5" 400 InvalidDigest
put "/$bucket/refused" x -H 'x-amz-server-side-encryption: AES256'
expect "put: encryption is refused, not ignored" 501 NotImplemented
call GET "/$bucket/refused"
expect "what was refused is not there" 404 NoSuchKey

# ---- ranges ----

range() { # range VALUE STATUS BODY CONTENT-RANGE
  call GET "/$bucket/digits" -H "Range: $1"
  if [ "$2" = 416 ]; then
    expect "range: $1" 416 InvalidRange
    expect_header "range: $1 says the size" 416 Content-Range "$4"
    return
  fi
  expect_body "range: $1" "$2" "$3"
  [ -z "$4" ] || expect_header "range: $1 says which" "$2" Content-Range "$4" Content-Length "${#3}"
}
range bytes=2-4 206 234 'bytes 2-4/10'
range bytes=7- 206 789 'bytes 7-9/10'
range bytes=-3 206 789 'bytes 7-9/10'
range bytes=5-100 206 56789 'bytes 5-9/10'
range bytes=-100 206 0123456789 'bytes 0-9/10'
range bytes=0-1,4-5 200 0123456789 ''
range bytes=10- 416 '' 'bytes */10'
range bytes=-0 416 '' 'bytes */10'
call HEAD "/$bucket/digits" -H 'Range: bytes=2-4'
expect_header "range: HEAD" 206 Content-Length 3 Content-Range 'bytes 2-4/10'

# ---- conditions ----

past='Thu, 01 Dec 1994 16:00:00 GMT'
etag="\"$digits_md5\""
reads() { # reads NAME STATUS FIELD…
  local name=$1 wanted=$2 options=()
  shift 2
  for field in "$@"; do options+=(-H "$field"); done
  call GET "/$bucket/digits" "${options[@]}"
  expect "condition: $name" "$wanted"
}
reads "If-Match that holds" 200 "If-Match: $etag"
reads "If-Match: *" 200 'If-Match: *'
reads "If-Match of another" 412 'If-Match: "other"'
reads "If-None-Match of this" 304 "If-None-Match: $etag"
reads "If-None-Match of another" 200 'If-None-Match: "other"'
reads "If-Modified-Since before" 200 "If-Modified-Since: $past"
reads "If-Modified-Since the same second" 304 "If-Modified-Since: $modified"
reads "If-Unmodified-Since before" 412 "If-Unmodified-Since: $past"
reads "If-Unmodified-Since the same second" 200 "If-Unmodified-Since: $modified"
reads "If-Match goes before If-Unmodified-Since" 200 "If-Match: $etag" "If-Unmodified-Since: $past"
reads "If-None-Match goes before If-Modified-Since" 200 'If-None-Match: "other"' "If-Modified-Since: $modified"
call GET "/$bucket/digits" -H 'Range: bytes=0-0' -H "If-Range: $etag"
expect_body "condition: If-Range that holds" 206 0
call GET "/$bucket/digits" -H 'Range: bytes=0-0' -H 'If-Range: "other"'
expect_body "condition: If-Range of another" 200 0123456789
put "/$bucket/conditional" 1 -H 'If-None-Match: *'
expect "condition: put If-None-Match: * where nothing is" 200
first=$(header ETag)
put "/$bucket/conditional" 2 -H 'If-None-Match: *'
expect "condition: put If-None-Match: * where something is" 412 PreconditionFailed
put "/$bucket/conditional" 2 -H 'If-Match: "other"'
expect "condition: put If-Match of another" 412 PreconditionFailed
call GET "/$bucket/conditional"
expect_body "condition: what was refused changed nothing" 200 1
put "/$bucket/conditional" 2 -H "If-Match: $first"
expect "condition: put If-Match that holds" 200
put "/$bucket/never" 2 -H "If-Match: $first"
expect "condition: put If-Match where nothing is" 404 NoSuchKey

# ---- keys ----

odd() { # odd NAME PATH JSON
  put "/$bucket/$2" "$1"
  expect "key: put $1" 200
  call GET "/$bucket/$2"
  expect_body "key: get $1" 200 "$1"
  call GET "/$bucket?list-type=2&prefix=odd"
  expect "key: listed $1" 200 "\"key\":\"$3\""
}
odd 'with spaces' 'odd%20a%20b' 'odd a b'
odd 'with an emoji' 'odd%F0%9F%98%80' 'odd😀'
odd 'with two slashes' 'odd//a//' 'odd//a//'
odd 'with dots' 'odd/../b/./c' 'odd/../b/./c'
odd 'with an encoded slash' 'odd/x%2Fy' 'odd/x/y'
odd 'with a percent sign' 'odd%2525' 'odd%25'
odd 'with a plus' 'odd+b' 'odd+b'
odd 'with a newline' 'odd%0Ac' 'odd\nc'
odd 'with composed and combining letters' 'odd%C3%A9e%CC%81' 'odd'"$(printf '\303\251e\314\201')"
call PUT "/$bucket//leading" --data-binary slash
call GET "/$bucket//leading"
expect_body "key: with a leading slash" 200 slash
long=$(printf 'k%.0s' {1..1024})
put "/$bucket/$long" x
expect "key: of 1,024 bytes" 200
put "/$bucket/${long}k" x
expect "key: of 1,025 bytes" 400 KeyTooLongError
put "/$bucket/a%zz" x
expect "key: bad percent encoding" 400 InvalidURI
put "/$bucket/a%00b" x
expect "key: with NUL" 400 InvalidArgument

# ---- listing ----

for name in a b/1 b/2 c/1 d; do put "/$bucket/list/$name" x; done
call GET "/$bucket?list-type=2&prefix=list/"
expect "list: prefix" 200 '"keyCount":5' '"key":"list/b/2"' '"isTruncated":false'
call GET "/$bucket?list-type=2&prefix=list/&delimiter=/"
expect "list: delimiter" 200 '"keyCount":4' '"commonPrefixes":["list/b/","list/c/"]'
call GET "/$bucket?list-type=2&prefix=list/&start-after=list/b/1"
expect "list: start-after" 200 '"keyCount":3' '"key":"list/b/2"'
call GET "/$bucket?list-type=2&prefix=list/&max-keys=0"
expect "list: max-keys=0" 200 '"keyCount":0' '"isTruncated":false'
listed=
token=
for page in 1 2 3 4; do
  call GET "/$bucket?list-type=2&prefix=list/&max-keys=2${token:+&continuation-token=$token}"
  listed="$listed $(grep -o '"key":"[^"]*"' "$work/body" | cut -d'"' -f4 | tr '\n' ' ')"
  token=$(json_first nextContinuationToken)
  [ -n "$token" ] || break
  last_token=$token
done
wanted="list/a list/b/1 list/b/2 list/c/1 list/d"
listed=$(echo $listed)
[ "$listed" = "$wanted" ] && ok "list: paging" || fail "list: paging" "$wanted" "$listed"
swapped=A
[ "${last_token:5:1}" = A ] && swapped=B
call GET "/$bucket?list-type=2&prefix=list/&max-keys=2&continuation-token=${last_token:0:5}$swapped${last_token:6}"
expect "list: tampered token" 400 InvalidArgument
call GET "/$bucket?list-type=2&prefix=other/&continuation-token=$last_token"
expect "list: token of another listing" 400 InvalidArgument
call GET "/$bucket?list-type=2&max-keys=many"
expect "list: bad max-keys" 400 InvalidArgument
call GET "/$bucket?list-type=2&prefix=list/&encoding-type=url&delimiter=/" -H 'Accept: application/xml'
expect "list: XML" 200 '<ListBucketResult' '<KeyCount>4</KeyCount>' '<Prefix>list/b/</Prefix>'
call GET "/$bucket?prefix=list/&max-keys=1" -H 'Accept: application/xml'
expect "list: version 1" 200 '<NextMarker>list/a</NextMarker>' '<IsTruncated>true</IsTruncated>'

# ---- copy ----

copy() { # copy PATH [fields…]
  local path=$1 options=()
  shift
  for field in "$@"; do options+=(-H "$field"); done
  call PUT "$path" -H "x-amz-copy-source: /$bucket/headers" "${options[@]+"${options[@]}"}"
}
copy "/$bucket/copy"
expect "copy" 200 '"etag":' '"sizeBytes":1'
call GET "/$bucket/copy"
expect_header "copy: brings headers and metadata" 200 Content-Type text/css x-amz-meta-colour blue
copy "/$bucket/copy" 'x-amz-metadata-directive: REPLACE' 'Content-Type: text/html'
call GET "/$bucket/copy"
expect_header "copy: with new headers" 200 Content-Type text/html x-amz-meta-colour ''
expect_body "copy: the body" 200 x
copy "/$bucket/copy" 'x-amz-copy-source-if-match: "other"'
expect "copy: If-Match of the source" 412
copy "/$bucket/copy" 'If-None-Match: *'
expect "copy: If-None-Match: * where something is" 412
copy "/$bucket/headers"
expect "copy: onto itself with nothing new" 400 InvalidRequest
call PUT "/$bucket/copy" -H "x-amz-copy-source: /$bucket/absent"
expect "copy: of what is absent" 404 NoSuchKey
call PUT "/$bucket/copy-odd" -H "x-amz-copy-source: $bucket/odd%20a%20b"
call GET "/$bucket/copy-odd"
expect_body "copy: of a key with spaces" 200 'with spaces'

# ---- delete ----

call DELETE "/$bucket/copy"
expect "delete" 204
call GET "/$bucket/copy"
expect "delete: gone" 404 NoSuchKey
call DELETE "/$bucket/copy"
expect "delete: absent" 204
for name in d1 d2 d3 d4 kept; do put "/$bucket/$name" x; done
call POST "/$bucket?delete" -H 'Content-Type: application/json' \
  --data-binary "{\"objects\":[{\"key\":\"d1\"},{\"key\":\"d2\"},{\"key\":\"never\"},{\"key\":\"${long}k\"}]}"
expect "delete many: JSON" 200 '"deleted":[{"key":"d1"},{"key":"d2"},{"key":"never"}]' KeyTooLongError
call POST "/$bucket?delete" -H 'Content-Type: application/xml' -H 'Accept: application/xml' \
  --data-binary '<Delete><Object><Key>d3</Key></Object><Object><Key>d4</Key></Object></Delete>'
expect "delete many: XML" 200 '<Deleted><Key>d3</Key></Deleted>' '<Deleted><Key>d4</Key></Deleted>'
call HEAD "/$bucket/d3"
expect "delete many: gone" 404
call POST "/$bucket?delete" -H 'Content-Type: application/xml' \
  --data-binary '<!DOCTYPE a><Delete><Object><Key>kept</Key></Object></Delete>'
expect "delete many: DOCTYPE" 400 MalformedXML
call POST "/$bucket?delete" -H 'Content-Type: application/json' \
  --data-binary '{"__proto__":{"quiet":true},"objects":[{"key":"kept"}]}'
expect "delete many: __proto__" 400 InvalidRequest
call POST "/$bucket?delete" -H 'Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==' -H 'Content-Type: application/xml' \
  --data-binary '<Delete><Object><Key>kept</Key></Object></Delete>'
expect "delete many: wrong Content-MD5" 400 BadDigest
call HEAD "/$bucket/kept"
expect "delete many: what was refused changed nothing" 200
call DELETE "/$bucket"
expect "bucket: delete when not empty" 409 BucketNotEmpty

# ---- admin API: users, keys, buckets, cluster ----

api POST /users "{\"name\":\"$run\"}"
expect "users: create" 201 "\"name\":\"$run\"" '"admin":false'
user_id=$(json_first id)
api POST /users "{\"name\":\"$run\"}"
expect "users: name taken" 409
api POST /users '{"name":"no spaces please"}'
expect "users: bad name" 400
api POST /users '{"name":"x","__proto__":{"admin":true}}'
expect "users: __proto__" 400
api GET /users
expect "users: list" 200 "\"id\":\"$user_id\""
api GET "/users/$user_id"
expect "users: get" 200 "\"name\":\"$run\""
api PUT /users '{}'
expect_header "users: wrong method" 405 Allow 'GET, POST'

make_key() { # make_key SETTINGS: leaves $made_id and $made_key
  api POST "/users/$user_id/keys" "$1"
  made_id=$(json_first id)
  made_key=$(json_first text)
}
# Keys of this user count by no address, so that the store's rate limit does not meet these tests.
make_key '{"name":"main","requestsPerMinute":-1}'
expect "keys: create" 201 '"text":"s3_key_' '"permissions":["read","write"]'
user_key=$made_key
user_key_id=$made_id
api GET "/users/$user_id/keys"
expect_without "keys: list shows no key" 200 "$user_key"
expect "keys: list" 200 "\"id\":\"$user_key_id\""
as "$user_key" GET /_/api/v1/whoami
expect "keys: whoami" 200 "\"keyId\":\"$user_key_id\"" "\"userName\":\"$run\""

request GET "/$bucket" -H 'Accept: application/json'
expect "access: missing key" 401 AccessDenied
as "s3_key_$(printf '0%.0s' {1..64})" GET "/$bucket"
expect "access: unknown key" 401 InvalidAccessKeyId
as "$user_key" GET "/$bucket/kept"
expect "access: another user's object" 403 AccessDenied
as "$user_key" GET "/$bucket/absent"
expect "access: another user's bucket, absent key" 403 AccessDenied
as "$user_key" PUT "/$bucket/stolen" --data-binary x
expect "access: write into another user's bucket" 403 AccessDenied
as "$user_key" DELETE "/$bucket"
expect "access: delete of another user's bucket" 403 AccessDenied
as "$user_key" PUT "/$bucket"
expect "access: another user's bucket name" 409 BucketAlreadyExists
as "$user_key" GET /_/api/v1/users
expect "access: admin API without admin rights" 403 AccessDenied
as "$user_key" PUT "/$bucket-of-user"
expect "access: a bucket of one's own" 200 '"created":true'
as "$user_key" PUT "/$bucket-of-user/k" -H "x-amz-copy-source: /$bucket/kept"
expect "access: copy from another user's bucket" 403 AccessDenied
as "$user_key" GET /
expect_without "access: others' buckets are not listed" 200 "\"name\":\"$bucket\",\"createdAt\""

make_key '{"name":"reader","permissions":["read"],"requestsPerMinute":-1}'
as "$made_key" PUT "/$bucket-of-user/k" --data-binary x
expect "permissions: a reader cannot write" 403 AccessDenied
as "$made_key" GET "/$bucket-of-user"
expect "permissions: a reader can list" 200 '"keyCount":0'
make_key "{\"name\":\"one bucket\",\"buckets\":[\"$bucket-limited\"],\"requestsPerMinute\":-1}"
as "$made_key" PUT "/$bucket-limited"
expect "permissions: a key of one bucket, in it" 200
as "$made_key" GET "/$bucket-of-user"
expect "permissions: a key of one bucket, elsewhere" 403 AccessDenied
api PUT "/keys/$made_id" '{"name":"renamed","permissions":["read"],"requestsPerMinute":-1}'
expect "keys: update" 200 '"name":"renamed"' '"permissions":["read"]'
until_status 200 8 as "$made_key" GET "/$bucket-of-user"
expect "keys: an update is in effect" 200

make_key '{"name":"slow","permissions":["read"],"requestsPerMinute":2}'
for round in 1 2 3; do as "$made_key" GET /; done
expect "rate limit: a key's third request of two a minute" 429 SlowDown
[ -n "$(header Retry-After)" ] && ok "rate limit: Retry-After" || fail "rate limit: Retry-After" "the header" none
expect_header "rate limit: headers" 429 RateLimit-Limit 2 RateLimit-Remaining 0

api POST "/keys/$user_key_id/rotate"
expect "keys: rotate" 200 '"text":"s3_key_'
rotated_key=$(json_first text)
as "$rotated_key" GET /
expect "keys: the rotated key works" 200
until_status 401 8 as "$user_key" GET /
expect "keys: the former text stops" 401 InvalidAccessKeyId
api DELETE "/keys/$user_key_id"
expect "keys: revoke" 200 '"revokedAt":"'
until_status 401 8 as "$rotated_key" GET /
expect "keys: a revoked key stops" 401 InvalidAccessKeyId
soon=$(($(date +%s) + 2))
soon=$(date -u -d "@$soon" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u -r "$soon" +%Y-%m-%dT%H:%M:%SZ)
make_key "{\"name\":\"short\",\"permissions\":[\"read\"],\"requestsPerMinute\":-1,\"expiresAt\":\"$soon\"}"
expect "keys: with an expiry" 201 '"expiresAt":"'
until_status 401 10 as "$made_key" GET /
expect "keys: an expired key stops" 401 ExpiredToken

api POST "/users/$user_id/s3-key-pairs" '{"name":"restic"}'
expect "S3 key pairs: create" 201 '"accessKeyId":"' '"secretAccessKey":"'
pair_id=$(json_first accessKeyId)
pair_secret=$(json_first secretAccessKey)
api GET "/users/$user_id/s3-key-pairs"
expect "S3 key pairs: list" 200 "\"accessKeyId\":\"$pair_id\""
expect_without "S3 key pairs: the secret is shown once" 200 "$pair_secret"
api DELETE "/s3-key-pairs/$pair_id"
expect "S3 key pairs: revoke" 200 '"revokedAt":"'

api GET "/buckets/$bucket"
expect "buckets: usage" 200 "\"name\":\"$bucket\"" '"usage":{"objects":' '"sizeBytes":'
api GET "/buckets?prefix=$run"
expect "buckets: list with usage" 200 "\"name\":\"$bucket\"" "\"name\":\"$bucket-of-user\""
api GET "/buckets/$bucket-absent"
expect "buckets: absent" 404
api GET /nodes
expect "nodes" 200 '"alive":true' '"freeBytes":'
api GET /queues
expect "queues" 200 '"repairs":' '"deletes":' '"purges":'
api GET /nothing
expect "admin API: nothing there" 404
api GET /users/not-a-uuid
expect "admin API: bad id" 400

# ---- requests that are not sound HTTP; curl does not send such, bash does ----

case $gateway in
http://*)
  address=${gateway#http://}
  raw() { # raw HEAD: leaves $status
    status=none
    if exec 3<>"/dev/tcp/${address%:*}/${address##*:}"; then
      printf '%b' "$1" >&3
      local line=
      IFS= read -r -t 10 line <&3
      status=$(echo "$line" | cut -d' ' -f2)
      exec 3>&- 3<&-
    fi 2>/dev/null
    : >"$work/body"
  }
  case $address in
  *:*)
    auth="Authorization: Bearer $key\r\n"
    raw "PUT /$bucket/raw HTTP/1.1\r\nHost: a\r\n${auth}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    expect "raw: Content-Length and Transfer-Encoding together" 400
    raw "PUT /$bucket/raw HTTP/1.1\r\nHost: a\r\n${auth}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"
    expect "raw: two lengths" 400
    raw "GET /$bucket HTTP/1.1\r\nHost: a\r\nHost: b\r\n${auth}\r\n"
    expect "raw: two Host fields" 400
    raw "GET http://elsewhere/$bucket HTTP/1.1\r\nHost: a\r\n${auth}\r\n"
    expect "raw: absolute-form target" 400
    ;;
  esac
  ;;
esac
call GET "/$bucket/raw"
expect "raw: what was refused is not there" 404

trap - EXIT
finish

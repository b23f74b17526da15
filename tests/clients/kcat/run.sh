#!/usr/bin/env bash
# kcat (librdkafka, Debian's): the everyday one-liners against the broker in $1, lines `ok - NAME` / `not ok - NAME: REASON`.
set -u
BROKER=$1
RUN=$$-$(date +%s)
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT
K=(timeout 40 kcat -b "$BROKER" -q)

same() { # NAME WANTED FOUND
  if [ "$2" = "$3" ]; then echo "ok - kcat $1"; else
    echo "not ok - kcat $1: wanted '$(head -c 200 <<<"$2" | tr '\n' ' ')', found '$(head -c 200 <<<"$3" | tr '\n' ' ')'"; fi
}
has() { # NAME PATTERN FOUND
  if grep -qE -- "$2" <<<"$3"; then echo "ok - kcat $1"; else
    echo "not ok - kcat $1: no '$2' in '$(head -c 300 <<<"$3" | tr '\n' ' ')'"; fi
}

# the first produce makes the topic
T=kcat-$RUN
seq 1 500 | "${K[@]}" -P -t "$T" -p 0
same produce_consume "$(seq 1 500)" "$("${K[@]}" -C -t "$T" -e -o beginning)"
has list_metadata "topic \"$T\" with 1 partitions" "$(timeout 20 kcat -b "$BROKER" -L)"
has list_as_json "\"topic\":\"$T\"" "$(timeout 20 kcat -b "$BROKER" -L -J)"
same last_three "498 499 500" "$("${K[@]}" -C -t "$T" -e -o -3 | xargs)"
same from_offset "491" "$("${K[@]}" -C -t "$T" -o 490 -c 1)"
same count_limit "1 2 3" "$("${K[@]}" -C -t "$T" -o beginning -c 3 | xargs)"
same query_latest "$T [0] offset 500" "$("${K[@]}" -Q -t "$T:0:-1")"
same query_earliest "$T [0] offset 0" "$("${K[@]}" -Q -t "$T:0:-2")"
same format_tokens "0:7=8" "$("${K[@]}" -C -t "$T" -o 7 -c 1 -f '%p:%o=%s\n')"

for codec in gzip snappy lz4 zstd; do
  seq 1 20000 | sed 's/$/ some text that compresses/' >"$SCRATCH/in"
  "${K[@]}" -P -t "$T-$codec" -z "$codec" -p 0 <"$SCRATCH/in"
  "${K[@]}" -C -t "$T-$codec" -e -o beginning >"$SCRATCH/out"
  same "codec_$codec" "$(cksum <"$SCRATCH/in")" "$(cksum <"$SCRATCH/out")"
done

printf 'k1:v1\nk2:\n:v3\nk1:v4\n' | "${K[@]}" -P -t "$T-keys" -K: -Z -p 0
same keys_and_nulls "k1=2,v1 k2=-1, =2,v3 k1=2,v4" "$("${K[@]}" -C -t "$T-keys" -e -o beginning -f '%k=%S,%s\n' | xargs)"
echo x | "${K[@]}" -P -t "$T-headers" -H a=1 -H b=two -H empty= -p 0
same headers "a=1,b=two,empty=" "$("${K[@]}" -C -t "$T-headers" -e -o beginning -f '%h\n')"
has json_envelope '"key":"k1".*"payload":"v1"' "$("${K[@]}" -C -t "$T-keys" -e -o beginning -J | head -1)"

before=$(($(date +%s%3N) - 1000))
echo late | "${K[@]}" -P -t "$T-time" -p 0
same by_timestamp late "$("${K[@]}" -C -t "$T-time" -e -o "s@$before")"
stamp=$("${K[@]}" -C -t "$T-time" -o beginning -c 1 -f '%T')
if [ "${stamp:-0}" -ge "$before" ]; then echo "ok - kcat timestamps"; else echo "not ok - kcat timestamps: '$stamp' < $before"; fi

seq 1 3000 | "${K[@]}" -P -t "$T-idem" -X enable.idempotence=true -X acks=all -p 0
same idempotent 3000 "$("${K[@]}" -C -t "$T-idem" -e -o beginning | wc -l)"
seq 1 100 | "${K[@]}" -P -t "$T-acks" -X acks=0 -p 0
seq 1 100 | "${K[@]}" -P -t "$T-acks" -X acks=1 -p 0
sleep 0.5
same acks 200 "$("${K[@]}" -C -t "$T-acks" -e -o beginning | wc -l)"
head -c 700000 /dev/zero | tr '\0' 'x' >"$SCRATCH/big"
"${K[@]}" -P -t "$T-big" -p 0 "$SCRATCH/big"
same one_large_value 700000 "$("${K[@]}" -C -t "$T-big" -e -o beginning -f '%s' | wc -c)"

# a balanced group: two members, every record once between them; commits hold for the next member
for n in 1 2; do
  timeout 60 kcat -b "$BROKER" -q -u -G "g-$RUN" -X auto.offset.reset=earliest -X session.timeout.ms=6000 -f '%s\n' "$T" \
    >"$SCRATCH/member$n" 2>/dev/null &
  eval "member$n=$!"
done
for _ in $(seq 100); do
  [ "$(cat "$SCRATCH"/member? | wc -l)" -ge 500 ] && break
  sleep 0.2
done
kill "$member1" "$member2"
wait "$member1" "$member2" 2>/dev/null
same group_reads_all "$(seq 1 500)" "$(sort -n "$SCRATCH"/member1 "$SCRATCH"/member2)"
seq 501 510 | "${K[@]}" -P -t "$T" -p 0
timeout 60 kcat -b "$BROKER" -q -u -G "g-$RUN" -X auto.offset.reset=earliest -X session.timeout.ms=6000 -c 10 "$T" >"$SCRATCH/later" 2>/dev/null
same group_goes_on "$(seq 501 510)" "$(cat "$SCRATCH/later")"

found=$(timeout 30 kcat -b "$BROKER" -C -t "$T" -p 0 -o 100000 -e -X auto.offset.reset=error 2>&1)
has out_of_range_is_told 'out of range' "$found"
found=$(timeout 30 kcat -b "$BROKER" -C -t "never-$RUN" -p 0 -e -X allow.auto.create.topics=false 2>&1)
has unknown_topic_is_told 'Unknown (topic|partition)' "$found"
echo "done - kcat"

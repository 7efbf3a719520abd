#!/bin/sh
# The test of the tests: plants each bug of *.patch in a copy of the domain and wants it to be caught, by the simulation or by the unit
# tests. usage: run.sh ROOT [CC]
set -u
root=$1 cc=${2:-cc}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
flags="-std=gnu17 -D_GNU_SOURCE -O1 -w"
files="node batch batch_order batch_ready batch_shape batch_view"

cp -r "$root/src" "$tmp/src" && mkdir "$tmp/o" || exit 1
cd "$tmp" || exit 1

build() {       # names of src/domain files to compile again, then both programs
    for f in "$@"; do $cc $flags -Isrc -c "src/domain/$f.c" -o "o/$f.o" || return 1; done
    $cc o/*.o sim/*.o -o sim.exe && $cc o/*.o unit/batch.o unit/words.o -lcmocka -o batch.exe &&
        $cc o/*.o unit/size.o unit/words.o -lcmocka -o size.exe && $cc o/*.o unit/node.o -lcmocka -o node.exe
}
sim()  { timeout 30 ./sim.exe --seeds 1..200 >sim.log 2>&1; }
unit() { for t in batch size node; do timeout 30 "./$t.exe" >unit.log 2>&1 || return 1; done; }

mkdir sim unit
for f in str arena; do $cc $flags -Isrc -c "src/base/$f.c" -o "o/base_$f.o" || exit 1; done
for f in sim chance engine forge check; do $cc $flags -Isrc -c "$root/test/sim/$f.c" -o "sim/$f.o" || exit 1; done
unit_o() { $cc $flags -Isrc -c "$root/test/unit/domain/$1.c" -o "unit/$2.o" || exit 1; }
unit_o batch_words words
unit_o test_batch batch
unit_o test_batch_size size
unit_o test_node node
build $files || exit 1
sim || { echo "the simulation fails without any planted bug:"; cat sim.log; exit 1; }
unit || { echo "the unit tests fail without any planted bug:"; cat unit.log; exit 1; }

escaped=0 n=0
for p in "$root"/test/sim/mutants/*.patch; do
    n=$((n + 1)) name=$(basename "$p" .patch)
    hit=$(sed -n 's,^+++ b/src/domain/\(.*\)\.c$,\1,p' "$p")
    if ! patch -s -p1 --no-backup-if-mismatch <"$p" >patch.log 2>&1; then
        echo "$name: does not fit the code any more: plant it again"; cat patch.log
        escaped=$((escaped + 1))
        for f in $hit; do cp "$root/src/domain/$f.c" src/domain/; done
        continue
    fi
    build $hit || { echo "$name: does not compile"; exit 1; }
    by=
    sim || by="simulation ($(sed -n 's/^\(seed [0-9]*\), step [0-9]*: \(.*\)\( is not so\|; again\).*/\1: \2/p' sim.log | head -n 1))"
    unit || by="$by${by:+, }unit tests"
    echo "$name: ${by:-ESCAPED}"
    [ -n "$by" ] || escaped=$((escaped + 1))
    for f in $hit; do cp "$root/src/domain/$f.c" src/domain/; done
    build $hit || exit 1
done
echo "$n planted bugs, $escaped escaped"
[ "$n" -ge 8 ] && [ "$escaped" -eq 0 ]

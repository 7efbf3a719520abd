# usage: awk -f banned.awk banned.txt src/room/file.c …
# Prints calls of functions that banned.txt lists. Comments and texts are not calls, nor are members of that name.
FILENAME == ARGV[1] {
    if ($0 ~ /^#/ || NF == 0) next
    split($0, halves, "|")
    name = $1
    why[name] = substr(halves[1], length(name) + 1)
    gsub(/^ +| +$/, "", why[name])
    may[name] = halves[2]
    next
}
FNR == 1 { in_comment = 0 }
{
    line = $0
    gsub(/\\./, "", line)
    gsub(/"[^"]*"/, "\"\"", line)
    if (in_comment) { if (!sub(/^.*\*\//, "", line)) next; in_comment = 0 }
    gsub(/\/\*[^*]*\*\//, " ", line)
    if (sub(/\/\*.*$/, "", line)) in_comment = 1
    while (match(line, /[A-Za-z_][A-Za-z0-9_]* *\(/)) {
        name = substr(line, RSTART, RLENGTH)
        sub(/ *\($/, "", name)
        before = RSTART > 1 ? substr(line, RSTART - 1, 1) : ""
        line = substr(line, RSTART + RLENGTH)
        if (name in why && before != "." && before != ">" && !allowed(FILENAME, may[name]))
            print FILENAME ":" FNR ": " name " is banned; instead: " why[name]
    }
}
function allowed(file, list,    n, i, names) {
    n = split(list, names, " ")
    for (i = 1; i <= n; i++) if (index(file, names[i]) == 1) return 1
    return 0
}

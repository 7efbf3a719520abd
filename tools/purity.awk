# usage: awk -f purity.awk purity.txt -
# Reads lines "domain|base ARCHIVE:object:address type symbol" of nm and prints each symbol that the domain takes from elsewhere.
FILENAME == ARGV[1] {
    if ($0 ~ /^#/) next
    for (i = 1; i <= NF; i++) if ($i ~ /^!/) closed[substr($i, 2)]; else allowed[$i]
    next
}
{ type = $(NF - 1); name = $NF }
type ~ /^[UwW]$/ && $1 == "domain" { split($2, where, ":"); wanted[name] = where[2]; next }
type ~ /^[A-Za-z]$/ && type != "U" { if ($1 == "base") of_base[name]; else of_domain[name] }
END {
    for (name in wanted) {
        if (name in of_domain || name in allowed) continue
        for (prefix in closed) if (index(name, prefix) == 1) { print wanted[name] " uses " name ": the domain has no clock, file, log or chance"; break }
        if (!(name in of_base)) print wanted[name] " uses " name ", which is neither in domain nor in base"
    }
}

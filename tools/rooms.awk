# usage: awk -f rooms.awk deps.txt src/room/file.c …
# Prints every #include "room/file.h" that is no arrow of deps.txt.
FILENAME == ARGV[1] {
    if ($0 ~ /^[a-z]+:/) { from = $1; sub(":", "", from); arrow[from, from]; for (i = 2; i <= NF; i++) arrow[from, $i] }
    next
}
/^#include "[a-z]+\// {
    parts = split(FILENAME, path, "/")
    room = parts > 2 ? path[2] : "main"
    split($2, to, "[\"/]")
    if (!((room, to[2]) in arrow)) print FILENAME ":" FNR ": " room " may not use " to[2]
}
